# make run    the voice page on http://localhost:3001
# make quick  checks and unit tests, in two minutes
# make test   every check, and every test that guards behaviour, in ten minutes
# make test-all   the long forms of the tests, too
# make bench-page   how fast the voice page plays and falls silent, and what it costs, in a real Chromium
# make soak   fifty conversations for ten minutes, while Gemini's connections end in every way
# make conformance   the contract tests against Google's servers (GEMINI_API_KEY=… make conformance)
# make mutation   breaks the product in every area, one place after the other, and sees its tests go red
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run quick test test-all check bench bench-page soak conformance mutation install constraints clean

run: $(INSTALLED)
	@$(BIN)/python manage.py prepare
	@$(BIN)/python manage.py runserver

# Four processes on two cores: what waits for sound, servers and browsers leaves the processor to others.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -o console_output_style=classic

quick: check
	$(PYTEST) tests/unit tests/protocol

test: check
	$(PYTEST) --durations 10

test-all: check
	$(PYTEST) --durations 10 -m ""

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	DEBUG=0 SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(50))") ALLOWED_HOSTS=voice.example.com \
	ALLOWED_ORIGINS=https://voice.example.com GEMINI_API_KEY=check $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: $(INSTALLED)
	$(BIN)/python -m tests.load.bench
	$(BIN)/python -m tests.load.tool_calls
	$(BIN)/python -m tests.load.openings
	$(BIN)/python -m tests.load.lists

bench-page: $(INSTALLED)
	$(BIN)/python -m tests.load.page

soak: $(INSTALLED)
	$(BIN)/python -m tests.load.soak

conformance: $(INSTALLED)
	@$(BIN)/python -m tests.contract.conformance

mutation: $(INSTALLED)
	@$(BIN)/python -m tests.mutation

install: $(INSTALLED)

$(INSTALLED): requirements.txt constraints.txt
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed; this is %s. Name one with: make PYTHON=python3.11' % sys.version.split()[0] if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

# The newest versions that requirements.txt allows; run the tests with them before they are committed.
constraints: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	@echo "# The exact versions that were tested; made by: make constraints" > constraints.txt
	$(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --no-strip-extras --python-version 3.11 requirements.txt requirements-mcp.txt | sed 's/\[[a-z,-]*\]//' >> constraints.txt

clean:
	rm -rf $(VENV) var

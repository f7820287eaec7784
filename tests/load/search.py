"""How long a search takes among many passages, on SQLite and on PostgreSQL: `python -m tests.load.search [20000]`."""

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from tests.integration.tools.databases import migrated  # noqa: E402
from tests.postgresql import postgresql  # noqa: E402
from tools_app.demo.knowledge import FOLDER  # noqa: E402
from tools_app.fulltext import search  # noqa: E402
from tools_app.management.commands.evaluate_search import read_questions  # noqa: E402
from tools_app.models import KnowledgeDocument, KnowledgePassage  # noqa: E402

DATA = Path(__file__).parents[1] / "integration/tools/knowledge"
PER_DOCUMENT = 10


def sentences() -> list[str]:
    texts = [path.read_text() for path in (*sorted(FOLDER.glob("*.md")), DATA / "distractors.md")]
    return [part for text in texts for part in text.replace("\n", " ").split(". ") if part]


def fill(using: str, passages: int) -> None:
    """Real sentences, shuffled; a hundred thousand invented words make some of them rare."""
    chance = random.Random(7)
    known = sentences()
    for start in range(0, passages // PER_DOCUMENT, 100):
        new = []
        for number in range(start, min(start + 100, passages // PER_DOCUMENT)):
            sections = (
                f"## Part {part}\n\n"
                + ". ".join(f"{chance.choice(known)} x{int(chance.paretovariate(0.5)) % 100_000}" for _ in range(9))
                for part in range(PER_DOCUMENT)
            )
            title = " ".join(chance.choice(known).split()[:4])
            new.append(KnowledgeDocument(title=title, text="\n\n".join(sections), source=f"{number}.md"))
        KnowledgeDocument.objects.using(using).bulk_create(new)
        KnowledgeDocument.objects.using(using).cut()


def measure(using: str, passages: int) -> None:
    began = time.perf_counter()
    fill(using, passages)
    filled = time.perf_counter() - began
    questions = list(read_questions(DATA / "questions.toml"))
    search(questions[0], 5, using)
    took = []
    for question in questions:
        began = time.perf_counter()
        search(question, 5, using)
        took.append((time.perf_counter() - began) * 1000)
    count = KnowledgePassage.objects.using(using).count()
    print(
        f"{using}: {count} passages cut and indexed in {filled:.1f} s; {len(took)} questions: "
        f"median {statistics.median(took):.1f} ms, slowest {max(took):.1f} ms"
    )


def main() -> None:
    passages = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "db.sqlite3")}
        for alias, config in (("sqlite", sqlite), ("postgresql", server.settings)):
            with migrated(alias, config):
                measure(alias, passages)


if __name__ == "__main__":
    main()

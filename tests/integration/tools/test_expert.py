import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tests.conftest import dial
from tests.waiting import GIVE_UP_SECONDS
from tools_app import caching
from tools_app.budget import BudgetSpent, DailyBudget
from tools_app.builtin import expert
from tools_app.builtin.expert import check_expert
from tools_app.exceptions import ToolError
from tools_app.executor import ToolExecutor
from tools_app.registry import get_tool

KEY = "AIza-c4n4ry-0123456789"
AWAY = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}


class Google(ThreadingHTTPServer):
    """Answers generateContent with what a test wants, for what the emulator does not do."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: tuple[int, str, object] | None = (200, "application/json", said("Fine."))
        self.ended = threading.Event()
        self.requests: list[tuple[dict, dict]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """Clients go."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((dict(self.headers), body))
        if self.server.answer is None:
            self.server.ended.wait()
            return
        status, kind, value = self.server.answer
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args) -> None:
        """Quiet."""


def said(text: str | None, reason: str = "STOP", tokens: int = 50) -> dict:
    content = {"role": "model"} | ({"parts": [{"text": text}]} if text is not None else {})
    candidate = {"content": content, "finishReason": reason}
    return {"candidates": [candidate], "usageMetadata": {"totalTokenCount": tokens}, "modelVersion": "gemini-test"}


@pytest.fixture(autouse=True)
def _fresh_cache():
    caching.shared_cache.cache_clear()
    caching.shared_cache().clear()
    yield
    caching.shared_cache.cache_clear()


@pytest.fixture
def google(settings) -> Iterator[Google]:
    server = Google()
    settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL, settings.GEMINI_CA_FILE = KEY, server.url, ""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def spent() -> int:
    return caching.shared_cache().get(DailyBudget("expert", 1).key, 0)


async def test_the_emulator_is_asked_and_its_tokens_are_counted(call, gemini):
    result = (await call("ask_expert", question="Why is the sky blue?")).result
    assert result["answer"].startswith("The sky is blue because the air scatters")
    assert result["model"] == "gemini-3.8-flash"
    # As the emulator counts: four letters a token.
    assert spent() == -(-len(expert.INSTRUCTION) // 4) + 5 + 26


async def test_what_is_asked_goes_with_its_context_and_the_limit(call, google, settings):
    settings.EXPERT_MAX_OUTPUT_TOKENS = 300
    result = (await call("ask_expert", question="And in winter?", context="We spoke of larks.")).result
    assert result == {"answer": "Fine.", "model": "gemini-test"}
    [(headers, body)] = google.requests
    assert {name.lower(): value for name, value in headers.items()}["x-goog-api-key"] == KEY
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Context: We spoke of larks."}, {"text": "And in winter?"}]}
    ]
    assert body["generationConfig"]["maxOutputTokens"] == 300
    assert spent() == 50


async def test_an_answer_that_was_cut_off_says_so(call, google):
    google.answer = (200, "application/json", said("The sky is", "MAX_TOKENS"))
    assert (await call("ask_expert", question="Why?")).result["cutOff"] is True


def envelope(code: int, status: str, message: str = f"Something about {KEY}") -> tuple[int, str, object]:
    return code, "application/json", {"error": {"code": code, "message": message, "status": status}}


OFFLINE = "The expert is out of order; try again later."
NO_ANSWER = "The expert does not answer this question; tell the user so."
BAD_KEY = "The expert refused this server's key; an administrator must check GEMINI_API_KEY."
JSON = "application/json"


@pytest.mark.parametrize(
    ("answer", "sentence", "counted"),
    [
        (envelope(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), BAD_KEY, 0),
        (envelope(401, "UNAUTHENTICATED"), BAD_KEY, 0),
        (envelope(403, "PERMISSION_DENIED"), BAD_KEY, 0),
        (envelope(400, "INVALID_ARGUMENT"),
         "The expert refused the question as it was sent; ask it in other words.", 0),
        (envelope(404, "NOT_FOUND"),
         "The expert is not known to the service; an administrator must check EXPERT_MODEL.", 0),
        (envelope(429, "RESOURCE_EXHAUSTED"),
         "The expert has too many questions at the moment; try again in a few minutes.", 0),
        (envelope(500, "INTERNAL"), OFFLINE, 0),
        (envelope(503, "UNAVAILABLE"), OFFLINE, 0),
        ((502, "text/html", b"<html>Bad gateway</html>"), OFFLINE, 0),
        ((200, "text/html", b"<html>Log in</html>"),
         "The expert answered in a form that this server does not know; try again later.", None),
        ((200, JSON, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"totalTokenCount": 7}}),
         NO_ANSWER, 7),
        ((200, JSON, said(None, "SAFETY")), NO_ANSWER, 50),
        ((200, JSON, said(None, "RECITATION")), NO_ANSWER, 50),
        ((200, JSON, said("  ")), "The expert gave an empty answer; ask again in other words.", 50),
        ((200, JSON, {"candidates": []}), "The expert gave an empty answer; ask again in other words.", None),
        ((200, JSON, said(None, "MAX_TOKENS")),
         "The expert thought so long that nothing was left to answer with; ask a narrower question.", 50),
        (None, "The expert did not answer within 0.5 seconds; try again later.", None),
    ],
)  # fmt: skip
async def test_what_goes_wrong_is_a_sentence_without_the_key(
    call, google, monkeypatch, caplog, answer, sentence, counted
):
    """`counted` None: the reservation stays, because nobody knows what was used."""
    monkeypatch.setattr(expert, "TIMEOUT", 0.5 if answer is None else 20)
    caplog.set_level(logging.DEBUG)
    google.answer = answer
    assert (await call("ask_expert", question="Why?")).error == sentence
    assert KEY not in caplog.text
    assert spent() == (expert._most(["Why?"]) if counted is None else counted)


async def test_a_service_that_is_away_is_a_sentence(call, google, settings):
    settings.GEMINI_BASE_URL = "http://127.0.0.1:1"
    assert (await call("ask_expert", question="Why?")).error.startswith("The expert cannot be reached; try again")
    assert spent() == 0


async def test_an_expert_that_is_off_says_so(call, google, settings):
    settings.EXPERT_DAILY_TOKENS = 0
    assert "switched off" in (await call("ask_expert", question="Why?")).error
    settings.EXPERT_DAILY_TOKENS, settings.GEMINI_API_KEY = 1, ""
    assert "GEMINI_API_KEY" in (await call("ask_expert", question="Why?")).error
    settings.GEMINI_API_KEY, settings.GEMINI_CA_FILE, settings.EXPERT_DAILY_TOKENS = KEY, "/no/such.pem", 200_000
    assert "GEMINI_CA_FILE cannot be read" in (await call("ask_expert", question="Why?")).error
    assert google.requests == []


async def test_twenty_at_once_do_not_overspend(transactional_db, google, settings):
    """Each takes all that it may, and the budget is enough for three."""
    most = expert._most(["Why?"])
    settings.EXPERT_DAILY_TOKENS = 3 * most + most // 2
    google.answer = (200, JSON, said("Because.", tokens=most))
    executor = ToolExecutor(session_id=None, user_id=None, allowed=None)
    calls = [executor.call(f"call-{number}", "ask_expert", {"question": "Why?"}) for number in range(20)]
    outcomes = await asyncio.gather(*calls)
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert sorted(outcome.status for outcome in outcomes) == ["error"] * 17 + ["ok"] * 3
    assert {outcome.error for outcome in outcomes if outcome.error} == {
        "The expert's budget for today is spent; answer as well as you can, or ask again tomorrow."
    }
    assert len(google.requests) == 3
    assert spent() == 3 * most


async def test_what_cannot_be_counted_is_not_spent(call, google, settings):
    settings.CACHES = {"default": AWAY}
    caching.shared_cache.cache_clear()
    assert "cannot be counted" in (await call("ask_expert", question="Why?")).error
    assert google.requests == []


async def test_a_budget_is_of_one_day(monkeypatch):
    budget = DailyBudget("test", 10)
    first = await budget.reserve(10)
    with pytest.raises(BudgetSpent):
        await budget.reserve(1)
    monkeypatch.setattr(DailyBudget, "key", "tools:budget:test:tomorrow")
    await budget.reserve(10)
    # What was reserved before midnight is settled with that day.
    await budget.settle(first, 4)
    with pytest.raises(ToolError):
        await budget.reserve(1)
    assert caching.shared_cache().get(first.key) == 4


async def test_many_at_once_share_a_budget_in_redis(settings, redis):
    retry = Retry(ConstantBackoff(0.02), 500, supported_errors=(RedisConnectionError,))
    with Redis.from_url(redis, retry=retry) as client:
        client.ping()
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis}}
    caching.shared_cache.cache_clear()
    budget = DailyBudget("test", 100)
    reserved = await asyncio.gather(*(budget.reserve(30) for _ in range(20)), return_exceptions=True)
    taken = [reservation for reservation in reserved if not isinstance(reservation, BudgetSpent)]
    assert len(taken) == 3
    for reservation in taken:
        await budget.settle(reservation, 5)
    assert caching.shared_cache().get(budget.key) == 15
    assert 0 < caching.shared_cache()._cache.get_client().ttl(caching.shared_cache().make_key(budget.key)) <= 172_800


async def test_a_budget_that_cannot_be_settled_stays_reserved(settings, caplog):
    reservation = await DailyBudget("test", 10).reserve(10)
    settings.CACHES = {"default": AWAY}
    caching.shared_cache.cache_clear()
    await DailyBudget("test", 10).settle(reservation, 1)
    assert "cannot be settled" in caplog.text


def test_a_model_need_not_wait_for_it():
    declared = get_tool("ask_expert").declaration()
    assert (declared["behavior"], declared["scheduling"]) == ("NON_BLOCKING", "WHEN_IDLE")


@pytest.mark.parametrize(
    ("most", "daily", "wrong"), [(0, 200_000, 1), (2048, 100, 1), (2048, 0, 0), (2048, 200_000, 0)]
)
def test_settings_with_which_nothing_could_be_asked_are_told(settings, most, daily, wrong):
    settings.EXPERT_MAX_OUTPUT_TOKENS, settings.EXPERT_DAILY_TOKENS = most, daily
    assert [problem.id for problem in check_expert(None)] == ["gemlive.E045"] * wrong


async def test_the_emulators_refusals_are_sentences(call, shared_emulator, settings):
    dial(settings, shared_emulator)
    settings.EXPERT_MODEL = "gemini-3.8-live"
    assert "EXPERT_MODEL" in (await call("ask_expert", question="Why?")).error
    settings.GEMINI_API_KEY = "bad"
    assert (await call("ask_expert", question="Why?")).error == BAD_KEY

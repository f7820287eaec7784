"""A client talks to Gemini itself, by a token that this server made: with the session's configuration, once."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import Client
from django.utils import timezone
from google import genai
from google.genai import errors, types

from sessions_app.access import ephemeral
from sessions_app.exceptions import QuotaUsedUp
from sessions_app.models import DailyUse, LiveSession
from sessions_app.quotas import admission
from sessions_app.quotas.holders import holder
from tests.server import free_port

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::google.genai.errors.ExperimentalWarning"),
]

CONFIGURATION = {"voice": "Puck", "language": "de-DE", "systemInstruction": "Be brief.", "temperature": 0.2}
WISHES = {
    "system_instruction": "Shout.",
    "temperature": 1.9,
    "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
    "tools": [{"google_search": {}}],
    "response_modalities": ["TEXT"],
}


def post(path: str, body: dict):
    return Client().post(path, body, content_type="application/json")


def make(**configuration) -> tuple[LiveSession, dict]:
    key = post("/api/sessions", configuration).json()["sessionId"]
    answer = post("/api/ephemeral-tokens", {"sessionId": key})
    assert answer.status_code == 200, answer.text
    return LiveSession.objects.get(pk=key), answer.json()


@asynccontextmanager
async def with_token(emulator, made: dict, model: str = ""):
    options = types.HttpOptions(
        base_url=emulator.url, api_version=made["apiVersion"], async_client_args={"ssl": emulator.ssl_context()}
    )
    client = genai.Client(api_key=made["token"], http_options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.ExperimentalWarning)
        async with client.aio.live.connect(model=model or made["model"], config=WISHES) as session:
            yield session


async def test_whatever_a_client_asks_for_it_gets_the_sessions_configuration(gemini):
    _, made = await sync_to_async(make)(**CONFIGURATION)
    async with with_token(gemini, made, model="gemini-2.5-flash-native-audio-latest"):
        setup = gemini.sessions[-1].setup
    assert setup["model"] == f"models/{made['model']}"
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    generation = setup["generationConfig"]
    assert generation["temperature"] == pytest.approx(0.2)
    assert generation["responseModalities"] == ["AUDIO"]
    assert generation["speechConfig"] == {
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}, "languageCode": "de-DE",
    }  # fmt: skip
    assert "tools" not in setup


async def test_a_token_is_for_one_conversation(gemini):
    _, made = await sync_to_async(make)()
    async with with_token(gemini, made) as session:
        await session.send_realtime_input(text="hello")
        async for message in session.receive():
            if message.server_content and message.server_content.turn_complete:
                break
    with pytest.raises(errors.APIError, match="has been used"):
        async with with_token(gemini, made):
            pass


def test_what_is_answered(gemini, settings):
    settings.SESSION_LONGEST = 600
    before = timezone.now()
    _, made = make(model="gemini-2.5-flash-native-audio-latest", voice="Puck")
    assert set(made) == {"token", "model", "expireTime", "newSessionExpireTime", "apiVersion", "url"}
    assert made["token"].startswith("auth_tokens/")
    begin, end = (datetime.fromisoformat(made[name]) for name in ("newSessionExpireTime", "expireTime"))
    assert 55 < (begin - before).total_seconds() < 75
    assert 595 < (end - before).total_seconds() < 615
    assert made["url"].startswith(f"wss://{gemini.url.partition('://')[2]}/ws/google.ai.generativelanguage.v1alpha.")


def test_the_sessions_row_says_what_the_token_is_for_and_nothing_that_is_not_so(gemini):
    session, made = make(**CONFIGURATION)
    assert (session.model, session.voice) == (made["model"], "Puck")
    assert (session.status, session.connected_at, session.total_tokens) == ("created", None, 0)
    assert session.last_activity_at > session.created_at


def ask(session: LiveSession, **wishes) -> tuple[int, int | str]:
    """200 and the minutes for which the token is valid; or else the error's code."""
    answer = post("/api/ephemeral-tokens", {"sessionId": str(session.pk), **wishes})
    if answer.status_code != 200:
        return answer.status_code, answer.json()["code"]
    begin, end = (datetime.fromisoformat(answer.json()[name]) for name in ("newSessionExpireTime", "expireTime"))
    return 200, round(((end - begin) + ephemeral.START_WITHIN).total_seconds() / 60)


def test_its_minutes_count_when_it_is_made(gemini, settings):
    settings.QUOTA_ADDRESS = "minutes=30"
    session = LiveSession.objects.create()
    assert ask(session, minutes=8) == (200, 8)
    assert ask(session) == (200, 15)
    assert ask(session, minutes=8) == (429, "quota_used_up")
    refused = post("/api/ephemeral-tokens", {"sessionId": str(session.pk), "minutes": 8})
    assert refused.json()["detail"].startswith(
        "Of today's 30 minutes 7 are left, and 8 are asked for. You can go on in"
    )
    assert int(refused.headers["retry-after"]) > 0
    assert ask(session) == (200, 7)
    assert ask(session) == (429, "quota_used_up")
    with pytest.raises(QuotaUsedUp):  # nor a conversation with this server
        admission.check(holder(None, {"REMOTE_ADDR": "127.0.0.1"}))


def test_without_a_limit_they_are_counted_all_the_same(gemini, settings):
    session = LiveSession.objects.create()
    settings.SESSION_LONGEST = 600
    assert ask(session) == (200, 10)
    assert ask(session, minutes=11) == (400, "invalid")
    assert [use.seconds for use in DailyUse.objects.all()] == [600]


def test_of_many_who_ask_at_once_as_many_get_one_as_there_are_minutes(gemini, settings):
    settings.QUOTA_ADDRESS = "minutes=30"
    session = LiveSession.objects.create()

    def one(_: int) -> int:
        try:
            return ask(session, minutes=10)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == [200] * 3 + [429] * 5


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 400, "required"),
        ({"sessionId": "x"}, 400, "UUID"),
        ({"sessionId": "6f1dd040-895c-4df6-b16d-2970c561836e", "minutes": 0}, 400, "minutes"),
        ({"sessionId": "6f1dd040-895c-4df6-b16d-2970c561836e", "minutes": 10**30}, 400, "minutes"),
        ({"sessionId": "6f1dd040-895c-4df6-b16d-2970c561836e"}, 404, "session_not_found"),
    ],
)
def test_a_request_that_names_no_session_of_the_callers(body, status, word, db):
    answer = post("/api/ephemeral-tokens", body)
    assert answer.status_code == status
    assert word in answer.text


def test_what_cannot_be_done_says_why(gemini, settings):
    key = str(LiveSession.objects.create().pk)

    def refusal() -> tuple[int, str]:
        answer = post("/api/ephemeral-tokens", {"sessionId": key})
        assert answer.json()["detail"] if "detail" in answer.json() else answer.json()["sessionId"]
        return answer.status_code, answer.json().get("code")

    settings.GEMINI_API_KEY = "bad"
    assert refusal() == (502, "api_key_invalid")
    settings.GEMINI_CA_FILE = "/no/such/file.pem"
    assert refusal() == (503, "not_configured")
    settings.GEMINI_CA_FILE = ""
    settings.GEMINI_BASE_URL = f"https://127.0.0.1:{free_port()}"
    assert refusal() == (502, "gemini_unavailable")
    settings.GEMINI_MODEL = "gemini-3.8-live-extended-thinking"
    assert refusal() == (400, "invalid")
    assert [use.seconds for use in DailyUse.objects.all()] == [0]  # given back
    LiveSession.objects.update(status=LiveSession.Status.ENDED)
    assert refusal() == (409, "session_ended")

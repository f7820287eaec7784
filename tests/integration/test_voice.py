"""From the browser's socket through Channels, the bridge and the real SDK to the emulator of Gemini Live, and back."""

import asyncio
import base64
import gc

import pytest
from django.contrib.auth import get_user_model
from websockets.asyncio.client import ClientConnection

from sessions_app.emulator.speech import synthesise
from sessions_app.models import LiveSession, TranscriptEntry
from tests.integration.caller import Caller
from tests.open_meteo import open_meteo
from tests.waiting import GIVE_UP_SECONDS
from tools_app.models import Tool, ToolCall

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def session():
    return await LiveSession.objects.acreate(user_label="ada")


@pytest.fixture(autouse=True)
def weather(settings):
    """get_weather asks a service that runs here."""
    with open_meteo() as service:
        settings.OPEN_METEO_GEOCODING_URL = service.environment["OPEN_METEO_GEOCODING_URL"]
        settings.OPEN_METEO_FORECAST_URL = service.environment["OPEN_METEO_FORECAST_URL"]
        settings.TOOLS_PRIVATE_HOSTS = [service.host]
        yield


async def eventually(condition):
    """What another thread or process does; polled, with an end."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


async def test_a_classic_conversation(gemini, session):
    async with Caller(session.pk) as caller:
        first = await caller.until("status")
        assert first == {"type": "status", "data": {"status": "CONNECTING"}, "sessionId": str(session.pk)}
        connected = await caller.converse()
        assert (connected["backend"], connected["model"], connected["resumed"]) == (
            "emulator",
            "gemini-3.8-live",
            False,
        )
        assert "What's the weather in New York?" in connected["phrases"]
        await caller.ask("What's the weather in New York?")
        await caller.send("disconnect")
        assert await caller.until_closed() == 1000

    [call], [result] = caller.of_type("function_call"), caller.of_type("function_result")
    assert (call["name"], call["args"]) == ("get_weather", {"location": "New York"})
    assert (result["callId"], result["status"]) == (call["callId"], "ok")
    assert "degrees" in caller.said(by_user=False)
    audio = caller.of_type("audio")[0]
    assert audio["mimeType"] == "audio/pcm;rate=24000"
    assert len(caller.audio) > 48_000
    assert len(caller.audio) % 2 == 0

    entries = [entry async for entry in TranscriptEntry.objects.filter(session=session)]
    assert [(entry.sequence, entry.role) for entry in entries] == [(1, "user"), (2, "model")]
    assert entries[0].text == "What's the weather in New York?"
    assert entries[1].time_to_first_audio_ms is not None
    row = await eventually(lambda: ToolCall.objects.filter(session=session, status="ok").afirst())
    assert (row.name, row.arguments) == ("get_weather", {"location": "New York"})

    await eventually(lambda: LiveSession.objects.filter(pk=session.pk, status="ended").aexists())
    await session.arefresh_from_db()
    assert session.end_reason == "ended by the user"
    assert session.total_tokens > 0
    assert (session.model, session.voice) == ("gemini-3.8-live", "Kore")


async def test_a_spoken_question_in_binary(gemini, session):
    question = synthesise("what's the weather in new york", rate=16_000)
    async with Caller(session.pk, binary=True) as caller:
        assert caller.subprotocol == "gemlive.v1"
        await caller.converse()
        pcm = bytes(16_000) + question + bytes(48_000)
        for start in range(0, len(pcm), 1024):
            await caller.socket.send_to(bytes_data=pcm[start : start + 1024])
        await caller.until("turn", state="complete")
    assert caller.said(by_user=True) == "what's the weather in new york"
    assert caller.of_type("function_call")[0]["args"] == {"location": "New York"}
    assert len(caller.audio) > 48_000
    # Binary audio only: no base64 beside it.
    assert not caller.of_type("audio")
    [carried] = [carried for carried in gemini.all_sessions if question in bytes(carried.recorded_audio)]
    assert carried


async def test_classic_audio_arrives_bit_exact(gemini, session):
    pcm = bytes(range(256)) * 2  # too short to be taken for a voice
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.send("audio", data=base64.b64encode(pcm).decode(), mimeType="audio/pcm;rate=16000")
        await caller.ask("hello")
    assert any(pcm in bytes(carried.recorded_audio) for carried in gemini.all_sessions)


async def test_without_a_session_id_one_is_made(gemini):
    async with Caller(path="/") as caller:
        first = await caller.until("status")
        assert await LiveSession.objects.filter(pk=first["sessionId"]).aexists()
        await caller.converse()


async def test_a_final_is_in_the_database_when_it_is_told(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.send("text", text="hello")
        await caller.until("transcription", isUser=False, isFinal=True)
        assert await TranscriptEntry.objects.filter(session=session, role="model").aexists()


async def test_the_sessions_own_configuration_and_tools_reach_gemini(gemini):
    session = await LiveSession.objects.acreate(voice="Puck", instruction="Be brief.", allowed_tools=["get_weather"])
    async with Caller(session.pk) as caller:
        connected = await caller.converse(language="de-DE")
        assert connected["voice"] == "Puck"
        setup = gemini.sessions[-1].setup
        await caller.ask("How many customers do we have?")
    text = str(setup)
    assert "Puck" in text
    assert "Be brief." in text
    assert "de-DE" in text
    assert "get_weather" in text
    assert "execute_sql_query" not in text
    assert not caller.of_type("function_call")


async def test_a_tool_that_is_switched_off_is_gone_from_the_next_conversation_and_stays_in_this_one(gemini, session):
    async with Caller(session.pk) as running:
        await running.converse()
        await Tool.objects.acreate(name="get_weather", enabled=False)
        await running.ask("What's the weather in New York?")
        assert running.of_type("function_result")[-1]["status"] == "ok"
    for allowed in (None, ["get_weather", "execute_sql_query"]):
        other = await LiveSession.objects.acreate(allowed_tools=allowed)
        async with Caller(other.pk) as caller:
            await caller.converse()
            declared = str(gemini.sessions[-1].setup)
            assert "execute_sql_query" in declared
            assert "get_weather" not in declared


async def test_a_client_may_narrow_the_tools_but_not_widen_them(gemini):
    session = await LiveSession.objects.acreate(allowed_tools=["get_weather"])
    async with Caller(session.pk) as caller:
        await caller.converse(tools=["execute_sql_query"])
        assert "functionDeclarations" not in str(gemini.sessions[-1].setup)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("this is not JSON", "not_json"),
        ("[1]", "invalid_message"),
        ("{}", "invalid_message"),
        ('{"type": "sing"}', "invalid_message"),
        ('{"type": "audio"}', "invalid_message"),
        ('{"type": "audio", "data": {"data": "%%%"}}', "invalid_message"),
        ('{"type": "audio", "data": {"data": "AAAA"}}', "odd_audio"),
        ('{"type": "audio", "data": {"data": "AAA=", "mimeType": "audio/mp3"}}', "unsupported_audio"),
        ('{"type": "audio", "data": {"data": "AAA=", "mimeType": "audio/pcm;rate=1"}}', "unsupported_audio"),
        ('{"type": "text", "data": {"text": 7}}', "invalid_message"),
        ('{"type": "played", "data": {"turnId": 1, "ms": NaN}}', "not_json"),
        ('{"type": "tool_approval", "data": {"callId": "x", "approved": true}}', "nothing_to_approve"),
        ('{"type": "connect"}', "already_connected"),
        (b"\x01", "odd_audio"),
    ],
)
async def test_a_bad_frame_gets_its_error_and_the_conversation_lives(gemini, session, frame, code):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.socket.send_to(**{"bytes_data" if isinstance(frame, bytes) else "text_data": frame})
        error = await caller.until("error")
        assert error["data"]["code"] == code
        assert error["data"]["message"].endswith(".") or "}" in error["data"]["message"]
        await caller.ask("hello")


async def test_audio_before_connect_is_told_once(gemini, session):
    async with Caller(session.pk) as caller:
        for _ in range(30):
            await caller.socket.send_to(bytes_data=b"\0\0")
        await caller.send("ping", t=1)
        await caller.until("pong", t=1)
        assert [error["code"] for error in caller.of_type("error")] == ["not_connected"]
        await caller.converse()


async def test_too_many_bad_frames_close_4400(gemini, session):
    async with Caller(session.pk) as caller:
        for _ in range(20):
            await caller.socket.send_to(text_data="?")
        assert await caller.until_closed() == 4400
    assert caller.of_type("error")[-1]["code"] == "too_many_bad_frames"


@pytest.mark.parametrize("session_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
async def test_an_unknown_session_is_told_and_closed_4404(session_id):
    async with Caller(session_id) as caller:
        assert (await caller.until("error"))["data"]["code"] == "session_not_found"
        assert await caller.until_closed() == 4404


async def test_an_ended_session_is_told_and_closed_4410(session):
    await LiveSession.objects.filter(pk=session.pk).aupdate(status="ended")
    async with Caller(session.pk) as caller:
        assert (await caller.until("error"))["data"]["code"] == "session_ended"
        assert await caller.until_closed() == 4410


async def test_somebody_elses_session_is_unknown():
    owner = await get_user_model().objects.acreate(username="owner")
    session = await LiveSession.objects.acreate(user=owner)
    async with Caller(session.pk) as caller:
        assert await caller.until_closed() == 4404


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://localhost:3002", "https://localhost:3000", "http://[", "", "http://"],
)
async def test_another_origin_is_refused_in_the_handshake(session, origin):
    caller = Caller(session.pk, origin=origin)
    accepted, _ = await caller.socket.connect()
    assert not accepted


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://localhost:3001", "http://127.0.0.1:5500"])
async def test_allowed_origins_are_accepted(session, origin):
    async with Caller(session.pk, origin=origin) as caller:
        await caller.until("status", status="CONNECTING")


async def test_an_unknown_path_is_refused(session):
    accepted, _ = await Caller(session.pk, path="/nowhere").socket.connect()
    assert not accepted


async def test_deleting_a_session_ends_its_conversation(gemini, session, async_client):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
        answer = await async_client.delete(f"/api/sessions/{session.pk}")
        assert answer.json() == {"success": True}
        assert await caller.until_closed() == 4410
    assert caller.of_type("error")[-1]["code"] == "session_ended"
    assert not await LiveSession.objects.filter(pk=session.pk).aexists()


async def test_a_session_deleted_behind_our_back_ends_at_the_next_turn(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await LiveSession.objects.filter(pk=session.pk).adelete()
        await caller.send("text", text="hello")
        assert await caller.until_closed() == 4410


async def test_a_second_tab_takes_over(gemini, session):
    async with Caller(session.pk) as first:
        await first.converse()
        async with Caller(session.pk) as second:
            assert await first.until_closed() == 4409
            await second.converse()
            # The first one's leaving is not the session's.
            await first.socket.disconnect(timeout=GIVE_UP_SECONDS)
            await second.ask("hello")
            await session.arefresh_from_db()
            assert session.status == "live"


async def test_a_lost_browser_may_come_back_to_the_same_conversation(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
        await eventually(lambda: LiveSession.objects.exclude(resumption_handle="").aexists())
    await eventually(lambda: LiveSession.objects.filter(pk=session.pk, status="paused").aexists())
    async with Caller(session.pk) as caller:
        connected = await caller.converse()
        assert connected["resumed"] is True
        await caller.ask("thank you")
    sequences = [entry.sequence async for entry in TranscriptEntry.objects.filter(session=session)]
    assert sequences == [1, 2, 3, 4]


async def test_a_lost_gemini_is_found_again(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
        gemini.abort_all()
        await caller.until("status", status="RECONNECTING")
        # Said while nobody listens; answered by the next connection.
        await caller.send("text", text="What's the weather in London?")
        await caller.until("status", status="CONNECTED", resumed=True)
        await caller.until("function_result", status="ok")
        await caller.until("turn", state="complete")
    assert caller.of_type("function_call")[-1]["args"] == {"location": "London"}


async def test_a_wrong_key_says_what_to_do(gemini, session, settings):
    settings.GEMINI_API_KEY = "bad"
    async with Caller(session.pk) as caller:
        await caller.send("connect")
        error = await caller.until("error")
        assert error["data"]["code"] == "api_key_invalid"
        assert "GEMINI_API_KEY" in error["data"]["message"]
        await caller.until("status", status="ERROR")
        # Nothing is lost: with the key mended the same socket goes on.
        settings.GEMINI_API_KEY = "good"
        await caller.converse()
        await caller.ask("hello")


async def test_an_unknown_model_says_what_to_do(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.send("connect", model="gemini-nonsense")
        error = await caller.until("error")
        assert error["data"]["code"] == "model_unknown"
        assert "gemini-nonsense" in error["data"]["message"]


async def test_no_network_says_what_to_do(gemini, session, settings):
    settings.GEMINI_BASE_URL = "https://127.0.0.1:9"
    async with Caller(session.pk) as caller:
        await caller.send("connect")
        error = await caller.until("error")
        assert error["data"]["code"] == "gemini_unavailable"
        assert error["data"]["retryable"] is True


async def test_an_emulator_that_was_never_started_says_so(gemini, session, settings):
    settings.GEMINI_CA_FILE = "/no/such/file.pem"
    async with Caller(session.pk) as caller:
        await caller.send("connect")
        assert "run_gemini_emulator" in (await caller.until("error"))["data"]["message"]


async def test_a_certificate_that_does_not_match_is_refused(gemini, session, settings, tmp_path):
    import trustme

    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    settings.GEMINI_CA_FILE = str(tmp_path / "other.pem")
    async with Caller(session.pk) as caller:
        await caller.send("connect")
        assert (await caller.until("error"))["data"]["code"] == "certificate_invalid"


async def test_no_secret_reaches_the_page(gemini, session, settings):
    settings.GEMINI_API_KEY = "canary-3f9a"
    settings.GEMINI_BASE_URL = "https://127.0.0.1:9"
    async with Caller(session.pk) as caller:
        await caller.send("connect")
        await caller.until("status", status="ERROR")
    assert "canary" not in str(caller.messages)


async def test_played_marks_what_was_heard(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
        turn = caller.of_type("turn")[-1]["turnId"]
        await caller.send("played", turnId=turn, ms=1234.4, dropped=0)
        await eventually(lambda: TranscriptEntry.objects.filter(session=session, heard_ms=1234).aexists())


async def test_leaving_hangs_up_at_gemini(gemini, session):
    async with Caller(session.pk) as caller:
        await caller.converse()
        carried = gemini.sessions[-1]

    async with asyncio.timeout(GIVE_UP_SECONDS):
        while carried.open:
            await asyncio.sleep(0.02)


async def test_a_lost_connection_is_freed_at_once(gemini, session):
    """Promise 17: without waiting for the garbage collector, who counts objects and not their 256 KB buffers."""

    def connections():
        return sum(type(found) is ClientConnection for found in gc.get_objects())

    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
        gc.collect()
        before = connections()
        gc.disable()
        try:
            for lose in [lambda: gemini.close_all(1011, "x"), gemini.abort_all, lambda: gemini.go_away(50)] * 3:
                lose()
                await caller.until("status", status="CONNECTED", resumed=True)
                await caller.ask("hello")
            assert connections() <= before + 1
        finally:
            gc.enable()

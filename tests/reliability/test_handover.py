"""What the user sees and keeps when a connection to Gemini ends, in every way that it can end."""

import asyncio
from collections.abc import Iterator

import pytest

from sessions_app.emulator import Emulator
from sessions_app.emulator.speech import synthesise
from sessions_app.gemini.connection import GeminiEndpoint, connect
from sessions_app.gemini.setup import LiveSetup
from tests.forms import in_long_form
from tests.processes import create, running
from tests.reliability.page import Page
from tests.server import UVICORN, Server
from tests.waiting import GIVE_UP_SECONDS, wait_until

LONGEST_PONG = 30
"""Seconds that Gemini's pongs were seen to take."""


@pytest.fixture(scope="module")
def impatient_server(server_environment, folder) -> Iterator[Server]:
    """Soon tries another connection when Gemini says nothing; the others wait for longer than any test lasts."""
    settings = {"GEMINI_SILENCE_TIMEOUT": "2", "DATABASE_URL": f"sqlite:///{folder / 'impatient.sqlite3'}"}
    with running(server_environment | settings, UVICORN, folder / "impatient.log") as server:
        yield server


@pytest.fixture
def impatient(impatient_server: Server, emulator: Emulator) -> Server:
    return impatient_server


def transcript(server: Server, session_id: str) -> list[tuple[str, str]]:
    return [(entry["role"], entry["text"]) for entry in server.session(session_id)["transcript"]]


def whole_answers(server: Server, session_id: str) -> list[tuple[str, str]]:
    """Without what was cut off."""
    entries = server.session(session_id)["transcript"]
    return [(entry["role"], entry["text"]) for entry in entries if not entry["interrupted"]]


LOSSES = [
    {"kind": "close", "at": "turn", "code": 1011},
    {"kind": "close", "at": "audio", "nth": 5, "code": 1000},
    {"kind": "abort", "at": "input"},
    {"kind": "abort", "at": "audio", "nth": 5},
    {"kind": "error", "at": "turn"},
    *in_long_form(
        [
            {"kind": "close", "at": "input"},
            {"kind": "close", "at": "audio"},
            {"kind": "abort", "at": "turn"},
        ]
    ),
]
SILENCES = [{"kind": "silence", "at": "audio", "nth": 5}, *in_long_form([{"kind": "silence", "at": "turn"}])]


def in_words(loss: dict) -> str:
    return "-".join(str(value) for value in loss.values())


@pytest.mark.parametrize("loss", LOSSES, ids=in_words)
async def test_a_question_is_answered_once_whatever_happens_to_its_connection(loss, emulator: Emulator, server: Server):
    """Promise 5: upstream loss in the midst of a question or answer; promise 2: nothing stands twice."""
    await lose_a_connection(loss, emulator, server)


@pytest.mark.parametrize("silence", SILENCES, ids=in_words)
async def test_a_question_is_answered_once_though_its_connection_falls_silent(
    silence, emulator: Emulator, impatient: Server
):
    """Promises 5 and 2."""
    await lose_a_connection(silence, emulator, impatient)


async def lose_a_connection(loss: dict, emulator: Emulator, server: Server) -> None:
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.ask("My favourite colour is blue")
        emulator.faults.add(**loss, times=1)
        await page.ask("hello")
        assert page.statuses == ["CONNECTING", "CONNECTED", "RECONNECTING", "CONNECTED"]
        assert page.of_type("status")[-1]["resumed"] is True
        await page.ask("What did I say before?")
    assert whole_answers(server, session_id) == [
        ("user", "My favourite colour is blue"),
        ("model", "Blue it is."),
        ("user", "hello"),
        ("model", "Good morning to you."),
        ("user", "What did I say before?"),
        ("model", "You said: hello"),
    ]
    assert server.session(session_id)["status"] in ("live", "paused")


async def test_goaway_between_two_turns_is_not_noticed_but_by_the_status(emulator: Emulator, server: Server):
    """Promise 5."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.ask("hello")
        first = emulator.sessions[-1]
        emulator.go_away(50)
        await page.until("status", status="CONNECTED", resumed=True)
        # The old socket was closed before the new one was opened: else Gemini refuses the handle with 1011.
        assert not first.open
        assert first.websocket.close_code == 1000
        await page.ask("What did I say before?")
        assert page.statuses.count("RECONNECTING") == 1
    assert page.said(by_user=False) == "Good morning to you.You said: hello"
    assert page.of_type("error") == []


@pytest.mark.parametrize("silent", [False, True])
async def test_goaway_in_mid_answer_waits_for_its_end_or_for_the_clock(silent, emulator: Emulator, server: Server):
    """Promise 5: after goAway Gemini may fall silent; the receive loop alone would wait for ever."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        fault = emulator.faults.add("go_away", at="audio", seconds=4, silent=silent, times=1)
        await page.ask("hello")
        emulator.faults.remove(fault)
        await page.reconnected()
        await page.ask("What did I say before?")
        assert page.statuses[:4] == ["CONNECTING", "CONNECTED", "RECONNECTING", "CONNECTED"]
    assert whole_answers(server, session_id) == [
        ("user", "hello"),
        ("model", "Good morning to you."),
        ("user", "What did I say before?"),
        ("model", "You said: hello"),
    ]
    assert len(transcript(server, session_id)) == (5 if silent else 4)


async def test_after_goaway_the_handle_of_the_turn_is_waited_for(emulator: Emulator, server: Server):
    """The handle comes after turnComplete: a client that leaves at once loses the turn."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        emulator.faults.add("go_away", at="turn", seconds=60, times=1)
        emulator.faults.add("late_handle", seconds=0.2, times=1)
        await page.ask("hello")
        await page.until("status", status="CONNECTED", resumed=True)
        assert emulator.sessions[-1].history[0] == {"role": "user", "text": "hello"}
        assert not emulator.sessions[-1].messages("clientContent")


async def test_what_the_handle_does_not_know_is_told(emulator: Emulator, server: Server):
    """Promise 6: without a handle for the last turn, its transcript goes to the resumed conversation."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.ask("hello")
        emulator.faults.add("withhold_handle")
        await page.ask("My favourite colour is blue")
        emulator.faults.clear()
        emulator.abort_all()
        await page.until("status", status="CONNECTED", resumed=True)
        await page.ask("What did I say before?")
    assert page.said(by_user=False).endswith("You said: My favourite colour is blue")
    [content] = emulator.all_sessions[-1].messages("clientContent")
    assert [turn["role"] for turn in content["turns"]] == ["user", "model"]


@pytest.mark.parametrize(
    "model", ["gemini-3.8-live", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"]
)
async def test_a_refused_handle_costs_no_memory(model, emulator: Emulator, server: Server):
    """Promise 6: a fresh session is told the transcript, in the way of its model, and does not greet."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse(model=model)
        await page.ask("hello")
        await page.ask("My favourite colour is blue")
        emulator.handles._saved.clear()  # as after two hours
        emulator.abort_all()
        await page.until("status", status="CONNECTED", resumed=True)
        await page.ask("What did I say before?")
        assert page.of_type("error") == []
    assert transcript(server, session_id) == [
        ("user", "hello"),
        ("model", "Good morning to you."),
        ("user", "My favourite colour is blue"),
        ("model", "Blue it is."),
        ("user", "What did I say before?"),
        ("model", "You said: My favourite colour is blue"),
    ]
    assert ("historyConfig" in emulator.all_sessions[-1].setup) is (not model.startswith("gemini-2.5"))


async def test_speech_that_a_lost_connection_took_along_is_heard_by_the_next(emulator: Emulator, server: Server):
    """Promise 5: half a spoken question was sent when the connection broke; it is understood whole, and stands once."""
    question = synthesise("tell me a long story", rate=16_000)
    half = len(question) // 2 // 1280 * 1280
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.speak(bytes(32_000) + question[:half], speed=2)
        emulator.abort_all()
        await page.speak(question[half:] + bytes(48_000), speed=2)
        await page.until("turn", state="complete")
    assert transcript(server, session_id)[0] == ("user", "tell me a long story")
    assert [role for role, _ in transcript(server, session_id)] == ["user", "model"]


async def test_a_spoken_question_whose_answer_was_lost_stands_once(emulator: Emulator, server: Server):
    """Promise 2: Gemini hears it twice, the transcript has it once."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        emulator.faults.add("close", at="audio", nth=3, times=1)
        await page.speak(bytes(16_000) + synthesise("tell me a long story", rate=16_000) + bytes(48_000), speed=4)
        await page.until("turn", state="complete")
    entries = server.session(session_id)["transcript"]
    assert [(entry["role"], entry["interrupted"]) for entry in entries] == [
        ("user", False), ("model", True), ("model", False),
    ]  # fmt: skip
    assert page.said(by_user=True) == "tell me a long story"


@pytest.mark.parametrize("how", ["typed", "spoken"])
async def test_a_question_is_not_forgotten_in_a_long_answer(how, emulator: Emulator, impatient: Server):
    """Promise 5: however much silence the microphone has sent since it was asked."""
    server = impatient
    silence = bytes(20 * 32_000)
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        emulator.faults.add("silence", at="audio", nth=20, times=1)
        if how == "typed":
            await page.send("text", text="tell me a long story")
        else:
            await page.speak(bytes(16_000) + synthesise("tell me a long story", rate=16_000) + bytes(48_000), speed=4)
        await page.until_said("Once upon a time")
        assert "RECONNECTING" not in page.statuses
        await page.speak(silence, seconds_a_frame=0.2, speed=200)
        await page.until("turn", state="complete")
    entries = server.session(session_id)["transcript"]
    assert [(entry["role"], entry["interrupted"]) for entry in entries] == [
        ("user", False), ("model", True), ("model", False),
    ]  # fmt: skip


async def test_what_was_said_while_nobody_listened_goes_out_in_order(emulator: Emulator, server: Server):
    """Promise 5: audio, text and images of the meantime wait."""
    async with Page(server) as page:
        await page.converse()
        await page.ask("hello")
        fault = emulator.faults.add("refuse_upgrade", status=503)
        emulator.abort_all()
        await page.until("status", status="RECONNECTING")
        spoken = bytes([3, 0, 4, 0]) * 1280  # too quiet for a voice
        await page.socket.send(spoken)
        await page.send("image", data="/9j/")
        await page.send("text", text="What did I say before?")
        emulator.faults.remove(fault)
        await page.until("status", status="CONNECTED", resumed=True)
        await page.until("turn", state="complete")
    session = emulator.all_sessions[-1]
    assert spoken in bytes(session.recorded_audio)
    kinds = [frame.kind for frame in session.frames if not frame.sent]
    assert kinds.index("realtimeInput.audio") < kinds.index("realtimeInput.video") < kinds.index("realtimeInput.text")


async def test_a_question_that_breaks_every_connection_is_given_up(emulator: Emulator, server: Server):
    """Not for ever: the user is told, and the conversation goes on with the next question."""
    async with Page(server) as page:
        await page.converse()
        fault = emulator.faults.add("close", at="turn")
        await page.send("text", text="hello")
        error = await page.until("error")
        emulator.faults.remove(fault)
        assert error["code"] == "not_answered"
        await page.until("status", status="CONNECTED")
        await page.ask("My favourite colour is blue")


async def test_a_silent_gemini_is_told_and_the_next_question_is_answered(emulator: Emulator, impatient: Server):
    """The watchdog tries one other connection, and does not go on for ever."""
    async with Page(impatient) as page:
        await page.converse()
        await page.send("text", text="say nothing")  # Gemini may choose to: that is no silence
        await page.until("turn", state="complete")
        fault = emulator.faults.add("silence", at="turn", times=2)
        await page.send("text", text="hello")
        assert (await page.until("error"))["code"] == "not_answered"
        emulator.faults.remove(fault)
        assert page.statuses.count("RECONNECTING") == 1
        emulator.abort_all()
        await page.until("status", status="CONNECTED")
        await page.ask("hello")


async def test_a_wrong_key_in_mid_conversation_is_told_in_words(emulator: Emulator, server: Server):
    """Fatal answers are not tried again, and say what to do."""
    async with Page(server) as page:
        await page.converse()
        emulator.faults.add(
            "close", at="setup", code=1007, reason="API key expired. Please renew the API key.", times=1
        )
        emulator.abort_all()
        error = await page.until("error")
        assert error["code"] == "api_key_invalid"
        assert "GEMINI_API_KEY" in error["message"]
        dials = emulator.dials
        await page.until("status", status="ERROR")
        # The socket lives: with the key mended it goes on.
        await page.converse()
        assert emulator.dials == dials + 1


async def test_slow_pongs_are_waited_for(emulator: Emulator):
    """The SDK's own patience of 20 s is too short."""
    endpoint = GeminiEndpoint(api_key="test", base_url=emulator.url, ca_file=str(emulator.ca_file))
    async with connect(
        endpoint.client(), LiveSetup(model="gemini-3.8-live"), handle=None, timeout=GIVE_UP_SECONDS
    ) as gemini:
        assert gemini._socket.ping_timeout >= 2 * LONGEST_PONG


@pytest.mark.long
async def test_slow_pongs_do_not_end_a_conversation(emulator: Emulator, server: Server):
    """The same with a server, for longer than the SDK would wait (20 s until a ping, and 20 s for its pong)."""
    emulator.faults.add("withhold_pongs")
    async with Page(server) as page:
        await page.converse()
        await page.ask("hello")
        await asyncio.sleep(45)  # the fault's length: nothing is waited for
        await page.ask("hello")
        assert "RECONNECTING" not in page.statuses


async def test_unreadable_messages_of_gemini_are_left_out(emulator: Emulator, server: Server):
    """Unknown keys, broken JSON and messages over a megabyte cost no conversation."""
    for kind in ("unknown_keys", "malformed", "oversized_message"):
        emulator.faults.add(kind, times=1)
    emulator.faults.add("spurious_interrupted", times=1)
    async with Page(server) as page:
        await page.converse()
        await page.ask("hello")
        await page.ask("hello")
        assert "RECONNECTING" not in page.statuses
    assert page.said(by_user=False).endswith("Good morning to you.")


async def test_no_upstream_outlives_its_client(emulator: Emulator, server: Server):
    """Promise 12: not after a clean close, nor after a cut TCP stream."""
    for leave in ("close", "abort"):
        page = Page(server)
        async with page:
            await page.converse()
            upstream = emulator.sessions[-1]
            if leave == "abort":
                page.socket.transport.abort()
        wait_until(lambda upstream=upstream: not upstream.open, "the upstream is closed", seconds=5)

"""Nothing of an interrupted reply is heard, and the transcript says how much of it was."""

import pytest

from sessions_app.emulator import Emulator
from tests.processes import create
from tests.reliability.page import Page
from tests.server import Server
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def slow(emulator: Emulator) -> None:
    """The next connection takes its time to speak, so that a reply can be interrupted: the story has 20 s."""
    emulator.faults.add("slow_audio", speed=4, times=1)


async def begin_story(page: Page) -> int:
    """Until some of it is heard; the turn."""
    await page.send("text", text="tell me a long story")
    turn = await page.until("turn", state="started")
    while len(page.audio) < 48_000:
        await page.receive()
    return turn["turnId"]


def after_interrupt(page: Page) -> list:
    at = next(
        index
        for index, message in enumerate(page.messages)
        if isinstance(message, dict) and message["type"] == "audio" and message["data"].get("interrupt")
    )
    return page.messages[at + 1 :]


async def test_nothing_of_an_interrupted_reply_leaves_after_the_interruption(emulator: Emulator, server: Server):
    """Promise 16: though the very message that says `interrupted` carries a piece of it."""
    session_id = await create(server)
    emulator.faults.add("audio_with_interrupted")
    async with Page(server, session_id) as page:
        await page.converse()
        await begin_story(page)
        await page.send("text", text="hello")
        await page.until("audio", interrupt=True)
        await page.until("turn", state="complete")
        # All that was heard after it is the next reply, from its first sample to its last.
        heard = b"".join(item for item in after_interrupt(page) if isinstance(item, bytes))
        sent = bytes(emulator.sessions[-1].sent_audio)
    assert heard
    assert sent.endswith(heard)
    entries = server.session(session_id)["transcript"]
    assert [(entry["role"], entry["interrupted"]) for entry in entries] == [
        ("user", False), ("model", True), ("user", False), ("model", False),
    ]  # fmt: skip
    assert entries[3]["audioMs"] == len(heard) // 48


async def test_escape_silences_a_reply_to_its_end_however_long_it_is(emulator: Emulator, server: Server):
    """Promise 16: Gemini has no word for it and speaks on; nobody hears it, and the next reply is heard."""
    async with Page(server) as page:
        await page.converse()
        await begin_story(page)
        await page.send("interrupt")
        await page.until("turn", state="interrupted")
        upstream = emulator.sessions[-1]
        wait_until(
            lambda: any(frame.kind.startswith("serverContent.turnComplete") for frame in upstream.frames), "over"
        )
        await page.ask("hello")
        heard = b"".join(item for item in after_interrupt(page) if isinstance(item, bytes))
        assert bytes(upstream.sent_audio).endswith(heard)
        assert len(heard) < 3 * 48_000


async def test_the_transcript_says_how_much_was_heard(emulator: Emulator, server: Server):
    """`played` comes before Gemini ends the turn, or after it; both are kept."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        turn = await begin_story(page)
        await page.send("played", turnId=turn, ms=700, dropped=300)
        await page.send("text", text="hello")
        await page.until("turn", state="complete")
        following = page.of_type("turn")[-1]["turnId"]
        await page.send("played", turnId=following, ms=900, dropped=0)
        wait_until(
            lambda: [entry["heardMs"] for entry in server.session(session_id)["transcript"]] == [None, 700, None, 900],
            "both are saved",
        )
    entries = server.session(session_id)["transcript"]
    assert entries[1]["audioMs"] > 900


async def test_a_reply_that_was_cut_off_by_a_lost_connection_is_not_heard_twice_at_once(
    emulator: Emulator, server: Server
):
    """Promise 5: the page is told to drop the first half before the answer comes anew."""
    async with Page(server) as page:
        await page.converse()
        await begin_story(page)
        emulator.abort_all()
        await page.until("status", status="CONNECTED", resumed=True)
        order = [
            "interrupt" if message["type"] == "audio" else message["data"]["status"]
            for message in page.messages
            if isinstance(message, dict) and message["type"] in ("audio", "status")
        ]
        assert order == ["CONNECTING", "CONNECTED", "interrupt", "RECONNECTING", "CONNECTED"]
        await page.until("turn", state="complete")

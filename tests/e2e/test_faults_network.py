"""What goes wrong with the network says what to do, and no line of the transcript is lost or doubled."""

import signal

import pytest

from tests.server import Server

from .blank import until_in
from .browser import wait_for_state
from .faults import cannot_type, clock_held, live_tracks, no_notice, notice, open_faulty, typing_works
from .page import lines, open_voice_page, type_message, until

AWAY = "The server does not answer"


@pytest.fixture(scope="module")
def frail(make_server) -> Server:
    """The tests of this file stop it, and leave it running."""
    return make_server()


async def both_ways(page, wire) -> None:
    """One microphone, whose sound goes up; and a reply that is heard."""
    assert await live_tracks(page) == 1
    frames = len(wire.sent_frames)
    await until(lambda: len(wire.sent_frames) > frames + 3)
    now = await page.evaluate("() => tap.context.currentTime")
    await typing_works(page, "Hello")
    await until_in(page, f"tap.loudest({now}) > 0.05")


async def test_server_goes_away_in_mid_reply_and_comes_back(frail, quiet_room):
    async with open_faulty(microphone=quiet_room) as page:
        await page.clock.install()
        wire = await open_voice_page(page, frail)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        async with clock_held(page):
            frail.stop(signal.SIGKILL)
            await wait_for_state(page, "reconnecting")
            assert "Reconnecting (1 of 5)" in await page.inner_text("#label")
            begun = await lines(page, speaker="model")
            await type_message(page, "Who are you?")  # it waits
            frail.start()
        await wait_for_state(page, "listening", "thinking", "speaking")
        await page.locator(".line-model").nth(len(begun)).wait_for()
        assert await lines(page, speaker="user") == ["Tell me a long story", "Who are you?"]
        assert (await lines(page, speaker="model"))[: len(begun)] == begun
        await both_ways(page, wire)
        assert await page.evaluate("() => streams.length") == 1  # it was never given back
        assert len(set(wire.urls)) == 1  # the same session
        assert await page.locator("#notice").is_hidden()


async def test_what_is_typed_while_the_network_is_away_arrives_once(frail):
    async with open_faulty() as page:
        await page.clock.install()
        wire = await open_voice_page(page, frail)
        await typing_works(page)
        assert frail.process
        frail.process.send_signal(signal.SIGSTOP)  # as a network that swallows what is sent
        await page.context.set_offline(True)
        await notice(page, "You are offline. The conversation goes on")
        await type_message(page, "Hello")
        await until(lambda: wire.sent[-1].get("data", {}).get("text") == "Hello")
        async with clock_held(page):  # nobody waits for the next attempt
            frail.stop(signal.SIGKILL)
            await wait_for_state(page, "reconnecting")
            frail.start()
            await page.context.set_offline(False)
            await page.locator(".line-model").nth(1).wait_for()
        await no_notice(page)
        assert await lines(page, speaker="user") == ["Who are you?", "Hello"]
        assert not await page.locator(".line-user[data-partial]").count()

        def saved() -> list[str]:
            return [entry["text"] for entry in frail.session(wire.session_id)["transcript"] if entry["role"] == "user"]

        await until(lambda: "Hello" in saved())
        assert saved().count("Hello") == 1


async def test_server_that_is_away_for_long(frail, quiet_room):
    async with open_faulty(microphone=quiet_room) as page:
        wire = await open_voice_page(page, frail)
        frail.stop(signal.SIGKILL)
        await page.click("#start")
        await notice(page, AWAY, "Try again")
        await wait_for_state(page, "error")
        await cannot_type(page, AWAY, "Try again")
        frail.start()
        await page.click("#start")
        await wait_for_state(page, "listening")
        await typing_works(page)
        frail.stop(signal.SIGKILL)
        await wait_for_state(page, "reconnecting")
        await type_message(page, "Hello")
        await notice(page, "five attempts did not bring it back", "Try again")
        assert await live_tracks(page) == 0
        assert await page.input_value("#text") == "Hello"
        assert await lines(page, speaker="user") == ["Who are you?"]
        frail.start()
        await page.click("#notice-action")
        await wait_for_state(page, "listening")
        await no_notice(page)
        await page.press("#text", "Enter")
        await page.locator(".line-model").nth(1).wait_for()
        assert await lines(page, speaker="user") == ["Who are you?", "Hello"]
        assert await live_tracks(page) == 1
        assert len(set(wire.urls)) == 1


async def test_offline_at_start(server):
    async with open_faulty() as page:
        await open_voice_page(page, server)
        await page.context.set_offline(True)
        await page.click("#start")
        await notice(page, "You are offline", "Try again")
        await wait_for_state(page, "error")
        await cannot_type(page, "You are offline", "Try again")
        await page.click("#start")
        await wait_for_state(page, "error")
        await page.context.set_offline(False)  # it starts by itself, as it was meant
        await wait_for_state(page, "listening")
        await no_notice(page)
        assert await live_tracks(page) == 1
        await typing_works(page)


async def test_slow_network(server, quiet_room):
    jammed = """
    window.backlog = 0;
    Object.defineProperty(WebSocket.prototype, "bufferedAmount", { get: () => backlog });
    """
    async with open_faulty(script=jammed, microphone=quiet_room) as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await until(lambda: wire.sent_frames)
        await page.click("#open-metrics")
        await page.evaluate("() => { backlog = 64 * 1024; }")
        await notice(page, "The network is slow, and part of what you said was lost")
        dropped = page.locator("#metrics [data-metric=dropped-frames]")
        await page.click("#notice-close")
        told = len(wire.sent_frames)
        await until_in(page, "Number(document.querySelector('#metrics [data-metric=dropped-frames]').textContent) > 10")
        assert len(wire.sent_frames) == told
        await no_notice(page)  # who has read it is left in peace
        await typing_works(page)
        await page.evaluate("() => { backlog = 0; }")
        await until(lambda: len(wire.sent_frames) > told)
        assert int(await dropped.inner_text()) > 10

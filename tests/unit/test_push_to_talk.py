"""What is said while somebody holds the button: over the loss of a connection, and for longer than Gemini is silent."""

import asyncio

from sessions_app.browser import commands
from sessions_app.live.limits import Limits
from sessions_app.live.marks import Marks
from sessions_app.live.watch import Watch
from tests.doubles import BridgeUnderTest, ScriptedGemini
from tests.loops import run_timeless


def second_of_speech(number: int) -> bytes:
    return bytes([number, 0x20]) * 16_000


def press(bridge) -> None:
    bridge.obey(commands.decode('{"type":"activity_start"}'))


def let_go(bridge) -> None:
    bridge.obey(commands.decode('{"type":"activity_end"}'))


async def test_what_is_half_said_when_the_connection_ends_is_said_again_between_its_marks():
    """Of a long question the last seconds are kept; its beginning is marked all the same."""
    lost, found = ScriptedGemini(), ScriptedGemini()
    async with BridgeUnderTest(lost, found, marks=Marks(manual=True)) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        press(under_test.bridge)
        for number in range(20):
            under_test.bridge.hear(second_of_speech(number))
            while ("audio", second_of_speech(number)) not in lost.sent:
                await asyncio.sleep(0)
        lost.hangs_up()
        await under_test.browser.until_type("status", status="RECONNECTING")
        under_test.bridge.hear(second_of_speech(20))
        let_go(under_test.bridge)
        while ("activity_end", None) not in found.sent:
            await asyncio.sleep(0)
    (first, _), *said, (last, _) = found.sent
    assert (first, last) == ("activity_start", "activity_end")
    assert {kind for kind, _ in said} == {"audio"}
    heard = b"".join(pcm for _, pcm in said)
    assert 14 * 32_000 <= len(heard) <= 16 * 32_000
    assert b"".join(second_of_speech(number) for number in range(8, 21)) in heard


async def test_marks_are_never_refused_when_much_waits():
    lost, found = ScriptedGemini(), ScriptedGemini()
    lost.takes.clear()
    async with BridgeUnderTest(lost, found, marks=Marks(manual=True)) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        for number in range(100):
            under_test.bridge.obey(commands.decode(f'{{"type":"text","data":{{"text":"{number}"}}}}'))
        press(under_test.bridge)
        under_test.bridge.leave()  # the mark that closes it, too
        lost.takes.set()
        while ("activity_end", None) not in lost.sent:
            await asyncio.sleep(0)
    assert [kind for kind, _ in lost.sent[-2:]] == ["activity_start", "activity_end"]


async def test_nothing_is_awaited_of_gemini_before_the_button_is_let_go():
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini, marks=Marks(manual=True)) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        press(under_test.bridge)
        for number in range(3):
            under_test.bridge.hear(second_of_speech(number))
            while ("audio", second_of_speech(number)) not in gemini.sent:
                await asyncio.sleep(0)
        assert not under_test.bridge.awaited
        let_go(under_test.bridge)
        assert under_test.bridge.awaited


def test_gemini_has_its_time_to_answer_after_a_long_pause():
    """Its silence counts from the question, not from its last word before."""
    limits = Limits(silence=30)
    asked_at = 90.0
    anew_at: list[float] = []

    class Conversation:
        @property
        def awaited(self) -> bool:
            return asyncio.get_running_loop().time() >= asked_at

        def connect_anew(self) -> None:
            anew_at.append(asyncio.get_running_loop().time())

        def give_up_waiting(self) -> None: ...
        def tell_dropped_audio(self) -> None: ...

    async def watched() -> None:
        watch = asyncio.create_task(Watch(limits, Conversation()).run(lambda over: None))
        while not anew_at:
            await asyncio.sleep(limits.look_every)
        watch.cancel()

    run_timeless(watched())
    # It looks every few seconds: the question is seen, and so is the end of the silence, at most one look late.
    assert asked_at + limits.silence - limits.look_every < anew_at[0] <= asked_at + limits.silence + limits.look_every

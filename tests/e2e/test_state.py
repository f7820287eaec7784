"""The page's one state, without a page: what follows from one thing after the other."""

import pytest_asyncio

from .blank import open_blank

REDUCE = """
async (actions) => {
  const { INITIAL, reduce } = await import("/js/state.js");
  return actions.reduce(reduce, INITIAL);
}
"""
CONNECTED = [{"type": "connecting", "manual": False}, {"type": "connected"}, {"type": "microphone", "open": True}]
HELD = [{"type": "manual", "manual": True}, {"type": "talking", "talking": True}]
ASKS = [{"type": "tool_started", "name": "refund", "asks": True}]
ANSWERS = [{"type": "awaiting_reply"}, {"type": "reply_started"}]


@pytest_asyncio.fixture(loop_scope="session")
async def page():
    async with open_blank() as page:
        yield page


async def test_one_thing_after_the_other(page):
    for actions, expected in (
        (CONNECTED, {"phase": "listening", "microphone": True, "playing": False}),
        (CONNECTED + ANSWERS, {"phase": "speaking", "playing": True}),
        ([*CONNECTED, *ANSWERS, {"type": "reply_ended"}], {"phase": "listening", "playing": False}),
        (CONNECTED + ASKS, {"phase": "thinking", "tool": "refund", "asking": "refund"}),
        ([*CONNECTED, *ASKS, {"type": "decided"}], {"tool": "refund", "asking": None}),
        ([*CONNECTED, *ASKS, {"type": "tool_ended"}], {"phase": "thinking", "tool": None, "asking": None}),
        ([*CONNECTED, *ASKS, *ANSWERS, {"type": "reply_ended"}], {"phase": "thinking", "tool": "refund"}),
        (CONNECTED + HELD, {"manual": True, "talking": True}),
        (
            [*CONNECTED, *HELD, {"type": "reconnecting", "attempt": 1, "attempts": 5}],
            {"phase": "reconnecting", "talking": False, "attempt": 1, "attempts": 5},
        ),
        (
            [*CONNECTED, *ANSWERS, {"type": "reconnecting", "attempt": 1, "attempts": 5}, {"type": "connected"}],
            {"phase": "speaking", "attempt": 0},
        ),
        ([*CONNECTED, *ANSWERS, {"type": "interrupted"}], {"phase": "interrupted"}),
        ([*CONNECTED, {"type": "interrupted"}], {"phase": "listening"}),
        ([*CONNECTED, *ANSWERS, {"type": "interrupted"}, {"type": "settled"}], {"phase": "listening"}),
        ([*CONNECTED, {"type": "failed"}], {"phase": "error", "microphone": False}),
    ):
        state = await page.evaluate(REDUCE, actions)
        assert state.items() >= expected.items(), (actions, state)

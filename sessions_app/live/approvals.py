"""Calls that wait for a person's click. A click is for one call with just the arguments that were shown."""

import asyncio
import hashlib
from typing import Any

import msgspec

from ..browser.commands import CommandError, ToolApprovalData

_key = msgspec.json.Encoder(order="deterministic").encode


def args_hash(name: str, args: dict[str, Any]) -> str:
    """What the page sends back with its click."""
    return hashlib.sha256(_key([name, args])).hexdigest()[:32]


class Approvals:
    """By the page's id of the call."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, asyncio.Future[bool]]] = {}

    def expect(self, call_id: str, hash: str) -> "asyncio.Future[bool]":
        """A future of the person's decision; it ends its waiting when it is cancelled."""
        decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = hash, decision
        decision.add_done_callback(lambda _: self._waiting.pop(call_id, None))
        return decision

    def decide(self, click: ToolApprovalData) -> None:
        """Raises CommandError where nothing waits, or something else was shown than what waits."""
        hash, decision = self._waiting.get(click.call_id, ("", None))
        if decision is None or decision.done():
            raise CommandError("nothing_to_approve", "No tool call with this callId waits for an approval.")
        if click.approved and click.args_hash != hash:
            raise CommandError(
                "approval_mismatch", "This approval is not for these arguments. Send the argsHash of the function_call."
            )
        decision.set_result(click.approved)

    def waits(self, call_id: str) -> bool:
        return call_id in self._waiting

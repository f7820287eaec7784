"""Faults striking a session. What only bends something else is done where that happens, in `turns` and `session`."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from .faults import Fault, Faults

if TYPE_CHECKING:
    from .session import Session


class Strikes:
    """The moments of one session, and what goes wrong at them. One method for each kind of fault that acts."""

    def __init__(self, session: Session, faults: Faults):
        self._session = session
        self._faults = faults
        self._moments: Counter[str] = Counter()

    async def reach(self, moment: str) -> dict[str, Fault]:
        """A moment has come: let the faults strike that waited for it. Those that only bend what happens now are the
        caller's to heed."""
        self._moments[moment] += 1
        due = self._faults.due(moment, self._session.number, self._moments[moment])
        for fault in due.values():
            if strike := getattr(self, f"_{fault.kind}", None):
                if fault.after:
                    self._session.later(fault.after, lambda strike=strike, fault=fault: strike(fault))
                else:
                    await strike(fault)
        return due

    def now(self, fault: Fault) -> None:
        """Let one fault strike at once, or so many seconds later."""
        self._session.later(fault.after, lambda: getattr(self, f"_{fault.kind}")(fault))

    async def _close(self, fault: Fault) -> None:
        await self._session.close(fault.code, fault.close_reason)

    async def _abort(self, fault: Fault) -> None:
        self._session.abort()

    async def _go_away(self, fault: Fault) -> None:
        await self._session.send({"goAway": {"timeLeft": f"{fault.seconds:g}s"}})
        self._session.silent = self._session.silent or fault.silent
        reason = "Deadline expired before operation could complete."
        self._session.later(fault.seconds, lambda: self._session.close(1011, reason))

    async def _silence(self, fault: Fault) -> None:
        self._session.silent = True

    async def _slow_audio(self, fault: Fault) -> None:
        self._session.slow_audio = fault.speed

    async def _withhold_pongs(self, fault: Fault) -> None:
        protocol = self._session.websocket.protocol
        send = protocol.send_frame

        def without_pongs(frame: Frame) -> None:
            if frame.opcode is not Opcode.PONG:
                send(frame)

        protocol.send_frame = without_pongs  # type: ignore[method-assign]

    async def _oversized_message(self, fault: Fault) -> None:
        await self._session.send_audio(bytes(fault.size // 2 * 2))

    async def _unknown_keys(self, fault: Fault) -> None:
        await self._session.send({"somethingNew": {"since": "tomorrow"}})

    async def _malformed(self, fault: Fault) -> None:
        with suppress(ConnectionClosed):
            await self._session.websocket.send(b'{"serverContent": {"modelTurn": ')

    async def _error(self, fault: Fault) -> None:
        await self._session.send({"error": {"code": fault.code, "message": fault.close_reason, "status": "INTERNAL"}})

    async def _spurious_interrupted(self, fault: Fault) -> None:
        await self._session.send({"serverContent": {"interrupted": True}})

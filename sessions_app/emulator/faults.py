"""What a test can make go wrong. Set the fields of `Emulator.faults`; they hold for what happens afterwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """Everything off by default."""

    refuse_upgrade: int | None = None  # HTTP status in place of the WebSocket handshake, such as 429 or 503
    withhold_setup_complete: bool = False  # the setup is read and never answered
    silent: bool = False  # input is read and never answered
    duplicate_tool_calls: bool = False  # every toolCall frame is sent twice
    resumption: bool = True  # False: no session resumption updates are sent

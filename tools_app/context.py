"""Who asks, in which conversation, and what a tool may use. Nothing global."""

from dataclasses import dataclass, field
from uuid import UUID

from .http import HttpClient


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Given to a tool that has a parameter annotated `ToolContext`; the model never sees or fills it.

    `session_id` and `user_id` come from the server's session, never from the model's arguments;
    both are None outside a conversation (a test, the command line).
    """

    session_id: UUID | None
    user_id: int | None
    call_id: str
    http: HttpClient = field(default_factory=HttpClient)

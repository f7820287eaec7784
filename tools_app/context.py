"""Who asks, in which conversation, and what a tool may use. Nothing global."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from .http import HttpClient


def _to_nobody(text: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Given to a tool that has a parameter annotated `ToolContext`; the model never sees or fills it.

    `session_id` and `user_id` come from the server's session, never from the model's arguments;
    both are None outside a conversation (a test, the command line).
    `progress("Still looking…")` tells the page, and a model that does not wait for the answer, how far the tool is.
    It may be called from any thread and as often as one likes: what comes within half a second is left out.
    """

    session_id: UUID | None
    user_id: int | None
    call_id: str
    http: HttpClient = field(default_factory=HttpClient)
    progress: Callable[[str], None] = field(default=_to_nobody, repr=False)

    @cached_property
    def user(self) -> Any:
        """The session's user, or AnonymousUser; read from the database (`await context.auser()` in an async tool)."""
        # Not at the top: tools are imported before Django's apps are ready.
        from django.contrib.auth import get_user_model
        from django.contrib.auth.models import AnonymousUser

        found = get_user_model()._default_manager.filter(pk=self.user_id).first() if self.user_id is not None else None
        return found or AnonymousUser()

    @cached_property
    def session(self) -> Any:
        """The LiveSession, or None outside a conversation; `await context.asession()` in an async tool."""
        from django.apps import apps

        return apps.get_model("sessions_app", "LiveSession").objects.filter(pk=self.session_id).first()

    async def auser(self) -> Any:
        return await sync_to_async(lambda: self.user)()

    async def asession(self) -> Any:
        return await sync_to_async(lambda: self.session)()

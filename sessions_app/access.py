"""Who may open, see or end a session."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tools_app.models import ToolCall

from .exceptions import SessionEnded, SessionNotFound
from .models import LiveSession


def visible_sessions(user: Any) -> QuerySet[LiveSession]:
    """A session that belongs to an account is its alone; one without an account is who holds its id's."""
    mine = Q(user=user) if user and user.is_authenticated else Q()
    return LiveSession.objects.filter(mine | Q(user=None))


def visible_calls(user: Any, session_id: UUID | None) -> QuerySet[ToolCall]:
    """The tool calls that `user` may see: of one session, or of all that are his.

    Staff with the permission to view calls sees every one. Anybody else has to name a session without an account to
    see its calls, for it belongs to who holds its id: a list over all of them would give the ids away.
    """
    if user.is_staff and user.has_perm("tools_app.view_toolcall"):
        return ToolCall.objects.filter(session=session_id) if session_id else ToolCall.objects.all()
    if session_id:
        return ToolCall.objects.filter(session__in=visible_sessions(user).filter(pk=session_id))
    return ToolCall.objects.filter(session__user=user) if user.is_authenticated else ToolCall.objects.none()


def session_to_open(session_id: str, user: Any) -> LiveSession:
    """The session with this id, ready for a conversation.

    Raises:
        SessionNotFound: unknown, not a UUID, or somebody else's (which is not told apart).
        SessionEnded: over.
    """
    try:
        session = visible_sessions(user).select_related("user").get(pk=UUID(session_id))
    except (ValueError, LiveSession.DoesNotExist):
        raise SessionNotFound from None
    if session.status == LiveSession.Status.ENDED:
        raise SessionEnded
    return session


def carry(session: LiveSession) -> int:
    """Make a socket the one that carries the session; every earlier one may not write any more. Its generation."""
    with transaction.atomic():
        mine = LiveSession.objects.filter(pk=session.pk)
        mine.update(generation=F("generation") + 1, seen_at=timezone.now())
        session.generation = mine.values_list("generation", flat=True).get()
    return session.generation


def new_session(user: Any, *, user_label: str = "", **configuration: Any) -> LiveSession:
    """Create a session for `user` (None or anonymous: without an account)."""
    owner = user if user and user.is_authenticated else None
    return LiveSession.objects.create(user=owner, user_label=user_label, **configuration)

"""Who may open, see or end a session."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tools_app.models import ToolCall

from ..exceptions import SessionEnded, SessionNotFound
from ..models import LiveSession, Tombstone
from .permissions import is_open


def visible_sessions(user: Any) -> QuerySet[LiveSession]:
    """A session that belongs to an account is its alone.

    One without an account is who holds its id's in `open` mode, and nobody's where people have to log in.
    """
    whose = Q(pk__in=())
    if user and user.is_authenticated:
        whose |= Q(user=user)
    if is_open():
        whose |= Q(user=None)
    return LiveSession.objects.filter(whose)


def listed_sessions(user: Any) -> QuerySet[LiveSession]:
    """The sessions that a list shows `user`: his own, or every one to staff with the permission to view them.

    None without an account: such a session belongs to who holds its id, and a list would give the ids away.
    """
    if _sees_every_session(user):
        return LiveSession.objects.all()
    return LiveSession.objects.filter(user=user) if user.is_authenticated else LiveSession.objects.none()


def listed_tombstones(user: Any) -> QuerySet[Tombstone]:
    """Of the sessions that a list would show `user`, if they were not deleted."""
    if _sees_every_session(user):
        return Tombstone.objects.all()
    return Tombstone.objects.filter(owner=user) if user.is_authenticated else Tombstone.objects.none()


def _sees_every_session(user: Any) -> bool:
    return user.is_staff and user.has_perm("sessions_app.view_livesession")


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


def find_session(session_id: str, user: Any) -> LiveSession:
    """Raises SessionNotFound: unknown, not a UUID, or somebody else's (which is not told apart)."""
    try:
        return visible_sessions(user).select_related("user").get(pk=UUID(session_id))
    except (ValueError, LiveSession.DoesNotExist):
        raise SessionNotFound from None


def session_to_open(session_id: str, user: Any) -> LiveSession:
    """The session with this id, ready for a conversation.

    Raises:
        SessionNotFound: unknown, not a UUID, or somebody else's (which is not told apart).
        SessionEnded: over.
    """
    session = find_session(session_id, user)
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

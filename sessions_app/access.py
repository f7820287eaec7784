"""Who may open, see or end a session."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from .exceptions import SessionEnded, SessionNotFound
from .models import LiveSession


def visible_sessions(user: Any) -> QuerySet[LiveSession]:
    """A session that belongs to an account is its alone; one without an account is who holds its id's."""
    mine = Q(user=user) if user and user.is_authenticated else Q()
    return LiveSession.objects.filter(mine | Q(user=None))


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

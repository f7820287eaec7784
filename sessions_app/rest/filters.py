"""The queries of the lists: typed, and a filter that does not exist is refused."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from tools_app.models import ToolCall

from ..models import LiveSession, TranscriptEntry
from .fields import SequenceOrTimeField, Time
from .pagination import LONGEST

SYNC_OVERLAP = timedelta(seconds=30)
"""Longer than a write may wait for the database: so far back a change may show up that has an earlier time."""
MOST_WORDS = 10


def one_of(choices: Any, **options: Any) -> serializers.ChoiceField:
    known = ", ".join(value for value, _ in choices)
    said = {"invalid_choice": f"There is no such value. Known are: {known}."}
    return serializers.ChoiceField(choices, required=False, error_messages=said, **options)


class Filters(serializers.Serializer):
    """Every field may be missing."""

    def to_internal_value(self, query: dict[str, str]) -> dict[str, Any]:
        if unknown := set(query) - set(self.fields):
            known = ", ".join(self.fields)
            raise serializers.ValidationError({name: [f"No such filter. Known are: {known}."] for name in unknown})
        return super().to_internal_value(query)

    @classmethod
    def read(cls, request: Request) -> Self:
        """Raises ValidationError."""
        filters = cls(data=request.query_params.dict())
        filters.is_valid(raise_exception=True)
        return filters

    @property
    def given(self) -> dict[str, Any]:
        return self.validated_data


class ListFilters(Filters):
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST, help_text="Rows on a page; 50 unless said otherwise."
    )
    cursor = serializers.CharField(required=False, help_text="From `next` or `previous` of an earlier answer.")


def in_order(query: dict[str, Any], first: str, then: str) -> None:
    if first in query and then in query and query[first] >= query[then]:
        raise serializers.ValidationError({then: [f"Must be later than {first}."]})


class SessionFilters(ListFilters):
    """The query of `GET /api/sessions`."""

    ORDERS = {
        "-createdAt": ("-created_at", "-id"),
        "createdAt": ("created_at", "id"),
        "-updatedAt": ("-updated_at", "-id"),
        "updatedAt": ("updated_at", "id"),
    }

    status = one_of(LiveSession.Status.choices)
    user = serializers.CharField(required=False, max_length=200, help_text="As `userId` shows it.")
    model = serializers.CharField(required=False, max_length=100)
    tool = serializers.CharField(required=False, max_length=200, help_text="Was called in it.")
    search = serializers.CharField(
        required=False, max_length=200, help_text="Words, all of which stand in the title, userId or transcript."
    )
    createdSince = Time(required=False)
    createdUntil = Time(required=False)
    since = Time(
        required=False,
        help_text="To sync: what has changed since then, the earliest change first; the 30 s before come again.",
    )
    ordering = one_of([(name, name) for name in ORDERS])

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        in_order(query, "createdSince", "createdUntil")
        if "since" in query and query.get("ordering", "updatedAt") != "updatedAt":
            raise serializers.ValidationError(
                {"ordering": ["With since the order is that of the changes: leave ordering out."]}
            )
        return query

    @property
    def order(self) -> tuple[str, ...]:
        return self.ORDERS[self.given.get("ordering", "updatedAt" if "since" in self.given else "-createdAt")]

    def of(self, sessions: QuerySet[LiveSession]) -> QuerySet[LiveSession]:
        given = self.given
        names = {
            "status": "status", "model": "model", "createdSince": "created_at__gte", "createdUntil": "created_at__lt",
        }  # fmt: skip
        sessions = sessions.filter(**{lookup: given[name] for name, lookup in names.items() if name in given})
        if "user" in given:
            sessions = sessions.filter(_spoken_by(given["user"]))
        if "tool" in given:
            calls = ToolCall.objects.filter(name=given["tool"], session__isnull=False)
            sessions = sessions.filter(pk__in=calls.order_by().values("session"))
        if "since" in given:
            sessions = sessions.filter(updated_at__gte=before(given["since"]))
        for word in given.get("search", "").split()[:MOST_WORDS]:
            said = TranscriptEntry.objects.filter(session=OuterRef("pk"), text__icontains=word)
            named = Q(title__icontains=word) | Q(user_label__icontains=word) | Q(user__username__icontains=word)
            sessions = sessions.filter(named | Q(Exists(said)))
        return sessions


def _spoken_by(name: str) -> Q:
    """By the label, else by the account; by one of them alone where the other has none, so that its index has the rows
    in their order already."""
    labelled = Q(user_label=name)
    account = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
    if account is None:
        return labelled
    # Not as an equality: SQLite would take the labels' index for it, and read every session that has none.
    own = Q(user=account) & ~Q(user_label__gt="")
    return labelled | own if LiveSession.objects.filter(labelled).exists() else own


def before(moment: datetime) -> datetime:
    """So far back what comes since then has to be looked for."""
    try:
        return moment - SYNC_OVERLAP
    except OverflowError:  # of the first days of the first year
        return moment


class TranscriptFilters(ListFilters):
    """The query of `GET /api/sessions/<id>/transcript`."""

    since = SequenceOrTimeField(
        required=False, help_text="What comes after this `sequence`, or was still said at this time."
    )
    role = one_of(TranscriptEntry.Role.choices)
    search = serializers.CharField(required=False, max_length=200, help_text="Words, all of which stand in the text.")

    def of(self, entries: QuerySet[TranscriptEntry]) -> QuerySet[TranscriptEntry]:
        entries = entries.filter(**self.given.get("since", {}))
        if "role" in self.given:
            entries = entries.filter(role=self.given["role"])
        for word in self.given.get("search", "").split()[:MOST_WORDS]:
            entries = entries.filter(text__icontains=word)
        return entries


class ToolCallFilters(ListFilters):
    """The query of `GET /api/tool-calls`."""

    tool = serializers.CharField(required=False, max_length=200)
    status = one_of(ToolCall.Status.choices)
    session = serializers.UUIDField(required=False)
    since = Time(required=False, help_text="Began then or later.")
    until = Time(required=False, help_text="Began before.")
    delivered = serializers.BooleanField(
        required=False, allow_null=True, help_text="Whether the model got the answer; null: nobody knows."
    )

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        in_order(query, "since", "until")
        return query

    def of(self, calls: QuerySet[ToolCall]) -> QuerySet[ToolCall]:
        """Without `session`, which is access.py's matter."""
        names = {
            "tool": "name", "status": "status", "delivered": "delivered",
            "since": "started_at__gte", "until": "started_at__lt",
        }  # fmt: skip
        return calls.filter(**{lookup: self.given[name] for name, lookup in names.items() if name in self.given})


class UsageFilters(Filters):
    """The query of `GET /api/usage`."""

    since = Time(required=False, help_text="Sessions that were created then or later; missing: the last 30 days.")
    until = Time(required=False, help_text="Created before; missing: now.")
    groupBy = one_of([(name, name) for name in ("day", "model", "user")])

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        in_order(query, "since", "until")
        return query


class ExportFilters(Filters):
    """The query of `GET /api/sessions/<id>/export`."""

    form = one_of([("json", "json"), ("markdown", "markdown")])

"""What was used: sessions, minutes, tokens and tool calls, by day, model or speaker."""

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import BigIntegerField, Count, DateField, F, FloatField, Func, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, NullIf
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import access
from ..models import LiveSession
from .filters import UsageFilters
from .serializers import TokensSerializer

DAYS = 30
MOST_ROWS = 1000


# Functions of the database itself. For SQLite Django has its times in Python, and asks for the type of each value in
# JSON before it takes it; that took longer than all the rest.


class Seconds(Func):
    """From the second time to the first."""

    output_field = FloatField()
    arg_joiner = " - "
    template = "EXTRACT(EPOCH FROM %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        days = self.copy()
        days.set_source_expressions([Func(time, function="JULIANDAY") for time in self.get_source_expressions()])
        return days.as_sql(compiler, connection, template="(%(expressions)s) * 86400", **context)


class Tokens(Func):
    """Of one modality."""

    output_field = TextField()
    function = "JSONB_EXTRACT_PATH_TEXT"

    def __init__(self, name: str):
        super().__init__("tokens_by_modality", Value(name))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        tokens, name = self.get_source_expressions()
        path = self.copy()
        path.set_source_expressions([tokens, Value(f'$."{name.value}"')])
        return path.as_sql(compiler, connection, function="JSON_EXTRACT", **context)


GROUPS = {
    # The connection's time zone is UTC.
    "day": Func("created_at", function="DATE", output_field=DateField()),
    "model": NullIf(F("model"), Value("")),
    "user": Coalesce(NullIf(F("user_label"), Value("")), F("user__username")),
}
# Google's, each on both sides; what none of them names is in the sums all the same.
MODALITIES = [
    f"{side}.{kind}" for side in ("prompt", "response") for kind in ("audio", "text", "image", "video", "document")
]
LENGTH = Seconds("last_activity_at", "connected_at")


class FiguresSerializer(serializers.Serializer):
    sessions = serializers.IntegerField()
    minutes = serializers.FloatField(help_text="From the first connection of a session to the last sign of it.")
    toolCalls = serializers.IntegerField()
    tokens = TokensSerializer()


class UsageRowSerializer(FiguresSerializer):
    """`day`, `model` or `user`, as the request groups."""

    day = serializers.DateField(required=False)
    model = serializers.CharField(required=False, allow_null=True)
    user = serializers.CharField(required=False, allow_null=True)


ANSWER = inline_serializer(
    "Usage",
    {
        "since": serializers.DateTimeField(),
        "until": serializers.DateTimeField(),
        "groupBy": serializers.ChoiceField([(name, name) for name in GROUPS]),
        "rows": UsageRowSerializer(many=True),
        "total": FiguresSerializer(),
    },
)


class Usage(APIView):
    @extend_schema(parameters=[UsageFilters], responses=ANSWER)
    def get(self, request: Request) -> Response:
        """One's own sessions, added up; staff with the permission to view sessions sees everybody's.

        A session counts for the day (UTC) on which it was created. Days come in their order; models and speakers by
        their tokens, the most first, at most 1,000 of them. `total` has all.
        """
        given = UsageFilters.read(request).given
        until = given.get("until") or timezone.now()
        since = given.get("since") or until - timedelta(days=DAYS)
        group = given.get("groupBy", "day")
        sessions = access.listed_sessions(request.user).filter(created_at__gte=since, created_at__lt=until)
        found = figures_of(sessions, group)
        total: Counter[str] = sum((figures for _, figures in found), Counter())
        if group != "day":
            found.sort(key=lambda row: (-row[1]["total"], str(row[0])))
        return Response(
            {
                "since": since,
                "until": until,
                "groupBy": group,
                "rows": [{group: key} | _shown(figures) for key, figures in found[:MOST_ROWS]],
                "total": _shown(total),
            }
        )


def figures_of(sessions: QuerySet[LiveSession], group: str) -> list[tuple[Any, Counter[str]]]:
    """Two queries: a join with the calls would count each session's tokens once a call."""
    grouped = sessions.annotate(group=GROUPS[group]).order_by("group").values("group")
    sums = {_alias(name): Sum(Cast(Tokens(name), BigIntegerField())) for name in MODALITIES}
    figures = grouped.annotate(
        sessions=Count("pk"), length=Sum(LENGTH), prompt=Sum("prompt_tokens"), response=Sum("response_tokens"),
        total=Sum("total_tokens"), **sums,
    )  # fmt: skip
    called = grouped.filter(tool_calls__isnull=False)  # an inner join
    calls = dict(called.annotate(calls=Count("tool_calls")).values_list("group", "calls"))
    rows = []
    for row in figures:
        counted = Counter({name: row[name] for name in ("sessions", "prompt", "response", "total")})
        counted["seconds"] = round(row["length"] or 0)
        counted["calls"] = calls.get(row["group"], 0)
        counted.update({name: row[_alias(name)] for name in MODALITIES if row[_alias(name)]})
        rows.append((row["group"], counted))
    return rows


def _alias(name: str) -> str:
    return name.replace(".", "_")


def _shown(figures: Counter[str]) -> dict[str, Any]:
    return {
        "sessions": figures["sessions"],
        "minutes": round(figures["seconds"] / 60, 2),
        "toolCalls": figures["calls"],
        "tokens": {
            **{name: figures[name] for name in ("prompt", "response", "total")},
            "byModality": {name: count for name, count in figures.items() if "." in name},
        },
    }

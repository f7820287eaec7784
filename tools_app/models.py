"""What tools did, and what the knowledge and the analytics tool know."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone


class ToolCallQuerySet(models.QuerySet):
    def abandon(self) -> int:
        """Give every call of this queryset that still runs its final status, and return how many.

        For sessions whose server died: nobody else will end their calls.
        """
        return self.filter(status=ToolCall.Status.RUNNING).update(
            status=ToolCall.Status.CANCELLED, error="The server stopped during the call."
        )


class ToolCall(models.Model):
    """One call of one tool: made by the model, answered by us, ended exactly once."""

    class Status(models.TextChoices):
        RUNNING = "running"
        OK = "ok"
        ERROR = "error"
        TIMEOUT = "timeout", "time-out"
        CANCELLED = "cancelled"
        DENIED = "denied"

    session = models.ForeignKey(
        "sessions_app.LiveSession", on_delete=models.CASCADE, null=True, blank=True, related_name="tool_calls"
    )
    call_id = models.CharField("call id", max_length=200, blank=True, help_text="Gemini's id of the call.")
    # As the model said it, which may be longer than any real tool's name.
    name = models.CharField("tool", max_length=200)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.RUNNING)
    error = models.TextField(blank=True, help_text="The sentence that the model got instead of a result.")
    delivered = models.BooleanField(
        null=True, blank=True, help_text="Whether the model got the answer; one that came too late is dropped."
    )
    started_at = models.DateTimeField("started", default=timezone.now)
    duration_ms = models.PositiveIntegerField("duration (ms)", null=True, blank=True)

    objects = ToolCallQuerySet.as_manager()

    class Meta:
        ordering = ("-started_at",)
        indexes = (
            models.Index(fields=("-started_at",), name="toolcall_newest"),
            models.Index(fields=("session", "started_at"), name="toolcall_session_started"),
            models.Index(fields=("name", "-started_at"), name="toolcall_name_newest"),
            models.Index(fields=("status", "-started_at"), name="toolcall_status_newest"),
        )

    def __str__(self) -> str:
        return f"{self.name} · {self.get_status_display()}"


class KnowledgeDocument(models.Model):
    """A text that the knowledge tool finds. The full-text index follows every change (see fulltext.py)."""

    title = models.CharField(max_length=200)
    text = models.TextField()
    source = models.CharField(max_length=500, blank=True, help_text="Where it comes from: a file, a URL, a person.")
    created_at = models.DateTimeField("created", auto_now_add=True)
    updated_at = models.DateTimeField("updated", auto_now=True)

    class Meta:
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class Metric(models.Model):
    """A figure of the company that the model may ask for over a period (see metrics.py)."""

    name = models.CharField(
        max_length=50,
        unique=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*\Z", "Use small letters, digits and _, and begin with a letter.")],
        help_text="What the model calls it, such as revenue or new_customers.",
    )
    description = models.TextField(help_text="One sentence for the model: what is counted, and what is not.")
    unit = models.CharField(max_length=40, blank=True, help_text="As it shall be spoken: orders, USD, percent.")
    database = models.CharField(max_length=100, default="main", help_text="A name in SQL_DATABASES.")
    sql = models.TextField(
        "SQL",
        help_text="One SELECT that gives one number for the days from :start (included) to :end (excluded), such as "
        "SELECT COUNT(*) FROM orders WHERE created_at >= :start AND created_at < :end",
    )
    enabled = models.BooleanField(default=True, help_text="Whether the model knows it.")
    created_at = models.DateTimeField("created", auto_now_add=True)
    updated_at = models.DateTimeField("updated", auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Runs the SQL once for the last seven days; so a metric that is saved is one that works."""
        from . import metrics, sql_databases
        from .exceptions import ToolError

        try:
            sql_databases.get(self.database)
        except ToolError as error:
            raise ValidationError({"database": str(error)}) from None
        try:
            metrics.check(self.database, self.sql)
        except ToolError as error:
            raise ValidationError({"sql": str(error)}) from None

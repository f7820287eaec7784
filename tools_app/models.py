"""What tools did, and what the knowledge and the analytics tool know."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, router, transaction
from django.utils import timezone

from . import documents
from .registry import registry


class ToolQuerySet(models.QuerySet):
    def switched_off(self) -> set[str]:
        """Names of the tools that an operator has switched off."""
        return set(self.filter(enabled=False).values_list("name", flat=True))

    def list_registered(self) -> None:
        """Give every registered tool its row, for a list of all of them."""
        names = {tool.name for tool in registry.all(wait=True)}
        missing = names - set(self.values_list("name", flat=True))
        self.bulk_create((Tool(name=name) for name in missing), ignore_conflicts=True)


class Tool(models.Model):
    """What operators say of a tool. One without a row is switched on."""

    name = models.CharField("tool", max_length=64, primary_key=True)
    enabled = models.BooleanField(
        default=True, help_text="Off: conversations that start from now on do not have it; running ones keep it."
    )
    note = models.CharField(max_length=300, blank=True, help_text="For other operators: why it is off.")
    updated_at = models.DateTimeField("changed", auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="changed by",
    )

    objects = ToolQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ToolCallQuerySet(models.QuerySet):
    def abandon(self) -> list["ToolCall"]:
        """Give every call of this queryset that still runs its final status, and return them.

        For sessions whose server died: nobody else will end their calls.
        """
        calls = list(self.filter(status=ToolCall.Status.RUNNING))
        ended = {"status": ToolCall.Status.CANCELLED, "error": "The server stopped during the call."}
        running = ToolCall.objects.filter(pk__in=[call.pk for call in calls], status=ToolCall.Status.RUNNING)
        running.update(**ended)
        for call in calls:
            call.status, call.error = ended.values()
        return calls


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
            # All that statistics.py reads, so that it never opens the rows themselves.
            models.Index(fields=("name", "-started_at", "status", "duration_ms"), name="toolcall_name_newest"),
            models.Index(fields=("status", "-started_at"), name="toolcall_status_newest"),
        )

    def __str__(self) -> str:
        return f"{self.name} · {self.get_status_display()}"


class KnowledgeDocumentQuerySet(models.QuerySet):
    def cut(self) -> int:
        """Make the passages of those documents that have none, and return how many documents that were.

        They are new, or their text or title was changed: a trigger deletes the passages then, whoever changed it
        (see fulltext.py).
        """
        uncut = self.filter(~models.Exists(KnowledgePassage.objects.filter(document=models.OuterRef("pk"))))
        keys = list(uncut.order_by("pk").values_list("pk", flat=True))
        for key in keys:
            with transaction.atomic(using=self.db):
                # Locked, so that no passages of an older text come after those of a newer one, or twice.
                document = self.select_for_update().filter(pk=key).first()
                if document is not None and not document.passages.exists():
                    document.passages.bulk_create(
                        KnowledgePassage(
                            document=document, position=position, title=document.title, heading=heading, text=text
                        )
                        for position, (heading, text) in enumerate(documents.cut(document.text))
                    )
        return len(keys)

    def put(self, source: str, document: documents.Document) -> tuple[str, "KnowledgeDocument"]:
        """Have this document under this source: "created", "changed" or "unchanged", and its row."""
        row = self.filter(source=source).order_by("pk").first()
        if row is None:
            return "created", self.create(source=source, **document._asdict())
        if (row.title, row.text) == document:
            return "unchanged", row
        row.title, row.text = document
        row.save(using=self.db)
        return "changed", row


class KnowledgeDocument(models.Model):
    """A text that the knowledge tool finds, by its passages."""

    title = models.CharField(max_length=documents.MAX_TITLE)
    text = models.TextField(help_text="Markdown or plain text.")
    source = models.CharField(max_length=500, blank=True, help_text="Where it comes from: a file, a URL, a person.")
    created_at = models.DateTimeField("created", auto_now_add=True)
    updated_at = models.DateTimeField("updated", auto_now=True)

    objects = KnowledgeDocumentQuerySet.as_manager()

    class Meta:
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With its passages, in one transaction."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            super().save(*args, **kwargs)
            type(self).objects.using(using).filter(pk=self.pk).cut()


class KnowledgePassage(models.Model):
    """A part of a document, as it is found and read out; made by `KnowledgeDocument.objects.cut()` alone."""

    document = models.ForeignKey(KnowledgeDocument, on_delete=models.CASCADE, related_name="passages")
    position = models.PositiveIntegerField()
    # The document's own, again: a full-text index reads one table.
    title = models.CharField(max_length=documents.MAX_TITLE)
    heading = models.CharField(max_length=documents.MAX_HEADING, help_text="The headings above it.")
    text = models.TextField()

    class Meta:
        ordering = ("document", "position")
        constraints = (models.UniqueConstraint(fields=("document", "position"), name="passage_position"),)

    def __str__(self) -> str:
        return f"{self.title} › {self.heading}" if self.heading else self.title


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

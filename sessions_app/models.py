"""What was said: a live session, its transcript, entry by entry. Tool calls are tools_app's."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from .quotas.models import ConversationSwitch, DailyUse, Quota

__all__ = ["ConversationSwitch", "DailyUse", "LiveSession", "Quota", "Tombstone", "TranscriptEntry"]


def _count_of(relation: str) -> models.Expression:
    counted = LiveSession.objects.filter(pk=models.OuterRef("pk")).order_by().values("pk")
    return models.Subquery(counted.annotate(count=models.Count(relation)).values("count"))


class LiveSessionQuerySet(models.QuerySet):
    def with_summary(self) -> "LiveSessionQuerySet":
        """Each with `message_count`, `call_count`, and `opening`: the first words of the user.

        By subqueries: two joins would multiply each other.
        """
        said_first = TranscriptEntry.objects.filter(session=models.OuterRef("pk"), role=TranscriptEntry.Role.USER)
        return self.annotate(
            message_count=_count_of("transcript"),
            call_count=_count_of("tool_calls"),
            opening=models.Subquery(said_first.order_by("sequence").values("text")[:1]),
        )

    def update(self, **fields: Any) -> int:
        """As Django's; whatever it changes is a change for those who sync, except signs of life."""
        if not fields.keys() <= LiveSession.UNTOLD:
            fields.setdefault("updated_at", timezone.now())
        return super().update(**fields)

    def not_seen_since(self, moment: datetime) -> "LiveSessionQuerySet":
        """Carried by no process that has given a sign of life since then."""
        return self.filter(models.Q(seen_at__lt=moment) | models.Q(seen_at=None))


class LiveSession(models.Model):
    """One conversation of one speaker with Gemini Live, over as many connections as it takes."""

    class Status(models.TextChoices):
        CREATED = "created"
        CONNECTING = "connecting"
        LIVE = "live"
        RECONNECTING = "reconnecting"
        PAUSED = "paused", "browser away"
        ENDED = "ended"

    CARRIED = (Status.CONNECTING, Status.LIVE, Status.RECONNECTING)
    UNTOLD = frozenset(("seen_at", "generation"))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="live_sessions"
    )
    user_label = models.CharField("user label", max_length=200, blank=True, help_text="userId as the client sent it.")
    title = models.CharField(max_length=200, blank=True)
    metadata = models.JSONField(default=dict, blank=True, help_text="What programs have noted of it, over REST.")
    model = models.CharField(max_length=100, blank=True, help_text="Empty: the server's GEMINI_MODEL.")
    voice = models.CharField(max_length=50, blank=True)
    language = models.CharField(max_length=20, blank=True, help_text="BCP-47, such as en-US.")
    instruction = models.TextField("system instruction", blank=True)
    allowed_tools = models.JSONField(
        null=True, blank=True, help_text="Names of the tools that this session may call; null: every tool."
    )
    model_settings = models.JSONField(
        default=dict, blank=True, help_text="Settings that only some models take, such as thinkingLevel."
    )
    status = models.CharField(max_length=20, choices=Status, default=Status.CREATED)
    resumption_handle = models.CharField(max_length=2000, blank=True, editable=False)
    handle_sequence = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Up to this entry of the transcript Gemini's handle knows the conversation.",
    )
    generation = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counts the sockets that have carried this session: the newest may write."
    )
    held_by = models.CharField(
        max_length=80, blank=True, editable=False, db_index=True,
        help_text="In whose quota of conversations at once it counts, while a process carries it.",
    )  # fmt: skip
    seen_at = models.DateTimeField(
        "seen alive", null=True, blank=True, editable=False, help_text="Sign of life of the process that carries it."
    )
    created_at = models.DateTimeField("created", default=timezone.now, editable=False)
    connected_at = models.DateTimeField("connected", null=True, blank=True)
    last_activity_at = models.DateTimeField("last activity", default=timezone.now)
    updated_at = models.DateTimeField("changed", auto_now=True)
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    end_reason = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    response_tokens = models.PositiveBigIntegerField(default=0)
    total_tokens = models.PositiveBigIntegerField(default=0)
    tokens_by_modality = models.JSONField(default=dict, blank=True, help_text="Such as prompt.audio and response.text.")
    reconnects = models.PositiveIntegerField(default=0, help_text="How often a new connection to Gemini was needed.")
    dropped_audio_ms = models.PositiveIntegerField(
        "dropped audio (ms)", default=0, help_text="Of the microphone, when Gemini was away or slow for too long."
    )

    objects = LiveSessionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("-created_at",), name="session_newest"),
            models.Index(fields=("status", "-last_activity_at"), name="session_status_activity"),
            models.Index(fields=("status", "-created_at"), name="session_status_newest"),
            models.Index(fields=("user", "-created_at"), name="session_user_newest"),
            models.Index(fields=("user_label", "-created_at"), name="session_label_newest"),
            models.Index(fields=("model", "-created_at"), name="session_model_newest"),
            models.Index(fields=("updated_at",), name="session_changed"),
            models.Index(fields=("user", "updated_at"), name="session_user_changed"),
        )

    def __str__(self) -> str:
        return f"{self.speaker or 'anonymous'} · {timezone.localtime(self.created_at):%Y-%m-%d %H:%M}"

    @property
    def speaker(self) -> str | None:
        """Who speaks: the client's label, else the account's name."""
        return self.user_label or (self.user.get_username() if self.user else None)


class TranscriptEntry(models.Model):
    """One side of one turn: what the user said, or what the model said."""

    class Role(models.TextChoices):
        USER = "user"
        MODEL = "model"

    session = models.ForeignKey(LiveSession, on_delete=models.CASCADE, related_name="transcript")
    sequence = models.PositiveIntegerField(help_text="Position in the session, from 1.")
    role = models.CharField(max_length=10, choices=Role)
    text = models.TextField(blank=True)
    started_at = models.DateTimeField("started")
    ended_at = models.DateTimeField("ended")
    interrupted = models.BooleanField(default=False, help_text="The user spoke over this reply.")
    time_to_first_audio_ms = models.PositiveIntegerField(
        "time to first audio (ms)", null=True, blank=True, help_text="End of the user's turn to the first audio."
    )
    audio_ms = models.PositiveIntegerField("audio (ms)", null=True, blank=True, help_text="Length of the reply.")
    heard_ms = models.PositiveIntegerField(
        "heard (ms)", null=True, blank=True, help_text="How much of the reply the page has played."
    )

    class Meta:
        ordering = ("session", "sequence")
        verbose_name_plural = "transcript entries"
        constraints = (models.UniqueConstraint(fields=("session", "sequence"), name="one_entry_a_sequence"),)

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:60]}"


class Tombstone(models.Model):
    """That a session was deleted, for those who keep copies; housekeeping.py deletes it in its turn."""

    session_id = models.UUIDField(primary_key=True)
    # No constraint: who deletes a user deletes his sessions in the same transaction.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    deleted_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = (models.Index(fields=("owner", "deleted_at"), name="tombstone_owner"),)


@receiver(post_delete, sender=LiveSession)
def bury(instance: LiveSession, using: str, **kwargs: Any) -> None:
    """Whoever deletes a session, in whatever way, comes by here; one that was restored from a backup once more."""
    now = {"owner_id": instance.user_id, "deleted_at": timezone.now()}
    Tombstone.objects.using(using).update_or_create(session_id=instance.pk, defaults=now)

"""What somebody may use, what was used, and the switch that stops everything. Part of sessions_app's models."""

from datetime import date

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

NO_LIMIT = "Empty: no limit."


class Quota(models.Model):
    """What one may use in a day (UTC), and at once."""

    class For(models.TextChoices):
        USER = "user", "one user"
        GROUP = "group", "each member of a group"
        USERS = "users", "each user for whom nothing else is set"
        ADDRESSES = "addresses", "each address, for callers who are not logged in"

    applies_to = models.CharField("for", max_length=20, choices=For)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="quota"
    )
    group = models.OneToOneField(Group, on_delete=models.CASCADE, null=True, blank=True, related_name="quota")
    sessions = models.PositiveIntegerField("conversations at once", null=True, blank=True, help_text=NO_LIMIT)
    minutes = models.PositiveIntegerField("minutes a day", null=True, blank=True, help_text=NO_LIMIT)
    tokens = models.PositiveBigIntegerField("tokens a day", null=True, blank=True, help_text=NO_LIMIT)
    money = models.DecimalField(
        "US dollars a day", max_digits=10, decimal_places=2, null=True, blank=True, help_text=NO_LIMIT,
        validators=[MinValueValidator(0)],
    )  # fmt: skip

    class Meta:
        ordering = ("-applies_to", "user__username", "group__name")
        constraints = (
            models.CheckConstraint(
                name="quota_is_for_somebody",
                condition=Q(applies_to="user", user__isnull=False, group=None)
                | Q(applies_to="group", user=None, group__isnull=False)
                | Q(applies_to__in=("users", "addresses"), user=None, group=None),
                violation_error_message="Choose the user or the group that you name, and no other.",
            ),
            models.UniqueConstraint(
                name="one_quota_for_all",
                fields=("applies_to",),
                condition=Q(applies_to__in=("users", "addresses")),
                violation_error_message="There is one already: change that.",
            ),
        )

    def __str__(self) -> str:
        who = self.user or self.group
        return f"{self.get_applies_to_display()}: {who}" if who else self.get_applies_to_display()


class DailyUseQuerySet(models.QuerySet):
    def lock(self, holder: str, day: date) -> "DailyUse":
        """The holder's row, which nobody else changes before this transaction ends."""
        mine = self.select_for_update().filter(holder=holder, day=day)
        if found := mine.first():
            return found
        self.bulk_create([DailyUse(holder=holder, day=day)], ignore_conflicts=True)
        return mine.get()

    def of(self, holder: str, day: date) -> "DailyUse":
        """The holder's row; one with nothing used, not saved, if there is none."""
        return self.filter(holder=holder, day=day).first() or DailyUse(holder=holder, day=day)

    def add(self, holder: str, day: date, *, seconds: int, tokens: int, micros: int) -> None:
        """Count more, whoever else does so at the same moment. Two statements that lock one row, one after the other:
        so no two writers wait for each other."""
        more = {"seconds": F("seconds") + seconds, "tokens": F("tokens") + tokens, "micros": F("micros") + micros}
        mine = self.filter(holder=holder, day=day)
        if not mine.update(**more):
            self.bulk_create([DailyUse(holder=holder, day=day)], ignore_conflicts=True)
            mine.update(**more)

    def give_back(self, holder: str, day: date, seconds: int) -> None:
        """Nothing where an operator has given back all of the day meanwhile."""
        self.filter(holder=holder, day=day, seconds__gte=seconds).update(seconds=F("seconds") - seconds)


class DailyUse(models.Model):
    """What one holder has used in one day (UTC)."""

    holder = models.CharField(max_length=80, editable=False)
    day = models.DateField(editable=False)
    seconds = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    micros = models.PositiveBigIntegerField("millionths of a US dollar", default=0)

    objects = DailyUseQuerySet.as_manager()

    class Meta:
        ordering = ("-day", "-micros", "-tokens", "-seconds")
        verbose_name = verbose_name_plural = "use by day"
        # The day first: old days are deleted by it. One index alone, or a planner may read all of a day for one holder.
        constraints = (models.UniqueConstraint(fields=("day", "holder"), name="one_use_a_day"),)

    def __str__(self) -> str:
        return f"{self.holder} · {self.day}"


class ConversationSwitch(models.Model):
    """The one row that stops new conversations, in every server process."""

    stopped = models.BooleanField(
        "no new conversations", default=False, help_text="At once, for everybody and in every server process."
    )
    end_running = models.BooleanField(
        "end those that run, too", default=False, help_text="Within seconds, while new ones are stopped."
    )
    sentence = models.CharField(
        "what callers are told", max_length=200, blank=True, help_text="Such as: We are back at 2 pm."
    )

    class Meta:
        verbose_name = verbose_name_plural = "stop conversations"

    def __str__(self) -> str:
        return "Conversations are stopped" if self.stopped else "Conversations are open"

    def save(self, *args, **kwargs) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    def clean(self) -> None:
        if self.end_running and not self.stopped:
            raise ValidationError({"end_running": "Stop new conversations, too: clients come back by themselves."})

    @classmethod
    def current(cls) -> "ConversationSwitch":
        return cls.objects.filter(pk=1).first() or cls(pk=1)

"""Quotas, and who has used how much of his: to be read at a glance."""

from functools import cache
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from ..housekeeping import lease
from ..models import LiveSession
from .holders import user_of
from .limits import Allowance, allowance_of
from .models import ConversationSwitch, DailyUse, Quota


def share(used: float, allowed: float | None, *, form: str = "{:,.0f}") -> str:
    """ "12 of 120" over a bar that is full when it is used up."""
    if allowed is None:
        return form.format(used)
    text = f"{form.format(used)} of {form.format(allowed)}"
    if not allowed:
        return text
    percent = min(100, round(used / allowed * 100))
    level = "full" if percent >= 100 else "high" if percent >= 80 else "low"
    bar = '<svg class="quota-bar quota-{}" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label="{} %">'
    return format_html(f'{{}}{bar}<rect width="{{}}" height="4"/></svg>', text, level, percent, percent)


class WithSwitch(admin.ModelAdmin):
    """A list with the switch of all conversations on top."""

    change_list_template = "admin/sessions_app/with_switch.html"

    class Media:
        css = {"all": ("css/admin.css",)}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        held = LiveSession.objects.exclude(held_by="").filter(seen_at__gt=timezone.now() - lease()).count()
        context = {"switch": ConversationSwitch.current(), "held": held}
        return super().changelist_view(request, context | (extra_context or {}))


@admin.register(Quota)
class QuotaAdmin(WithSwitch):
    list_display = ("whose", "at_once", "minutes_today", "tokens_today", "money_today")
    list_select_related = ("user", "group")
    autocomplete_fields = ("user", "group")
    fields = ("applies_to", "user", "group", ("sessions", "minutes"), ("tokens", "money"))

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changes = super().get_changelist_instance(request)
        today = {
            use.holder: use for use in DailyUse.objects.filter(day=timezone.now().date(), holder__startswith="user:")
        }
        held = LiveSession.objects.filter(seen_at__gt=timezone.now() - lease())
        counted: dict[str, int] = {}
        for holder in held.filter(held_by__startswith="user:").values_list("held_by", flat=True):
            counted[holder] = counted.get(holder, 0) + 1
        for quota in changes.result_list:
            holder = f"user:{quota.user_id}"
            quota.use = today.get(holder, DailyUse()) if quota.user_id else None
            quota.held = counted.get(holder, 0)
        return changes

    @admin.display(description="for")
    def whose(self, quota: Quota) -> str:
        return str(quota.user or quota) if quota.user_id else str(quota)

    @admin.display(description="conversations now")
    def at_once(self, quota: Quota) -> str:
        return self._share(quota, quota.held, quota.sessions)

    @admin.display(description="minutes today")
    def minutes_today(self, quota: Quota) -> str:
        return self._share(quota, quota.use and quota.use.seconds / 60, quota.minutes)

    @admin.display(description="tokens today")
    def tokens_today(self, quota: Quota) -> str:
        return self._share(quota, quota.use and quota.use.tokens, quota.tokens)

    @admin.display(description="money today")
    def money_today(self, quota: Quota) -> str:
        return self._share(quota, quota.use and quota.use.micros / 1e6, quota.money, form="${:,.2f}")

    def _share(self, quota: Quota, used: float | None, allowed: Any, form: str = "{:,.0f}") -> str:
        """What one user has used; of a rule for many only what each of them may."""
        if quota.use is None:
            return "no limit" if allowed is None else f"{form.format(allowed)} each"
        return share(used or 0, None if allowed is None else float(allowed), form=form)


@admin.register(DailyUse)
class DailyUseAdmin(WithSwitch):
    list_display = ("day", "who", "minutes_used", "tokens_used", "money_used")
    list_display_links = None
    list_filter = ("day",)
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: DailyUse | None = None) -> bool:
        return False

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changes = super().get_changelist_instance(request)
        users = get_user_model().objects.in_bulk({user_of(use.holder) for use in changes.result_list} - {None})
        allowance = cache(allowance_of)
        for use in changes.result_list:
            user = user_of(use.holder)
            name = users[user].get_username() if user in users else "deleted user"
            use.name = name if user else f"address {use.holder.partition(':')[2][:8]}"
            use.allowance = allowance(use.holder)
        return changes

    @admin.display(description="who")
    def who(self, use: Any) -> str:
        return use.name

    @admin.display(description="minutes", ordering="seconds")
    def minutes_used(self, use: Any) -> str:
        return share(use.seconds / 60, _allowed(use).minutes)

    @admin.display(description="tokens", ordering="tokens")
    def tokens_used(self, use: Any) -> str:
        return share(use.tokens, _allowed(use).tokens)

    @admin.display(description="money", ordering="micros")
    def money_used(self, use: Any) -> str:
        money = _allowed(use).money
        return share(use.micros / 1e6, None if money is None else float(money), form="${:,.2f}")


def _allowed(use: Any) -> Allowance:
    return use.allowance


@admin.register(ConversationSwitch)
class ConversationSwitchAdmin(admin.ModelAdmin):
    """One row, and its page is all there is."""

    fields = ("stopped", "end_running", "sentence")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ConversationSwitch | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        ConversationSwitch.objects.get_or_create(pk=1)
        return self.changeform_view(request, "1", extra_context=extra_context)

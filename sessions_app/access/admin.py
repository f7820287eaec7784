"""For operators: API tokens, which are made, shown once and revoked; and who has to wait with his password."""

from typing import Any

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils import timezone
from knox.models import AuthToken, get_digest_token
from knox.settings import CONSTANTS, knox_settings

admin.site.unregister(AuthToken)
admin.site.register(AccessAttempt, AccessAttemptAdmin)


class NewTokenForm(forms.ModelForm):
    class Meta:
        model = AuthToken
        fields = ("user", "expiry")

    def clean_expiry(self) -> Any:
        expiry = self.cleaned_data["expiry"]
        if expiry is None or expiry <= timezone.now():
            raise forms.ValidationError("Choose a time that is still to come: a token that never expires is not made.")
        return expiry


@admin.register(AuthToken)
class TokenAdmin(admin.ModelAdmin):
    """Who may add tokens makes them for himself; only a superuser makes them for others, whose rights they carry."""

    form = NewTokenForm
    list_display = ("begins_with", "user", "created", "expiry")
    list_filter = ("created", "expiry")
    list_select_related = ("user",)
    search_fields = ("token_key", "user__username")
    raw_id_fields = ("user",)
    fields = ("user", "expiry")

    @admin.display(description="token", ordering="token_key")
    def begins_with(self, token: AuthToken) -> str:
        return f"{token.token_key}…"

    def has_change_permission(self, request: HttpRequest, obj: AuthToken | None = None) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": request.user.pk, "expiry": timezone.now() + knox_settings.TOKEN_TTL}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user" and not request.user.is_superuser:
            kwargs["queryset"] = get_user_model()._default_manager.filter(pk=request.user.pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: AuthToken, form: forms.ModelForm, change: bool) -> None:
        obj.digest, token = get_digest_token()
        obj.token_key = token[: CONSTANTS.TOKEN_KEY_LENGTH]
        super().save_model(request, obj, form, change)
        self.message_user(
            request,
            f"The token, which is shown only now: {token} (send it as Authorization: Token …)",
            messages.WARNING,
        )

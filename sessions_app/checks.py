"""Wrong setups fail at start-up, with an id and a mend."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from .gemini.models import problems
from .gemini.settings import ModelSettings


@register()
def check_gemini(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.GEMINI_API_KEY:
        return [
            Error(
                "GEMINI_API_KEY is not set, and without DEBUG no emulator answers in Gemini's place.",
                hint="Set GEMINI_API_KEY in the environment or in .env to a key of Google AI Studio.",
                id="gemlive.E001",
            )
        ]
    if not settings.GEMINI_EMULATED:
        # Here and not above: the SDK takes a second to import, and most commands need neither.
        from .wiring import NotConfigured, gemini_client, gemini_endpoint

        try:
            gemini_client(gemini_endpoint())
        except NotConfigured as error:
            return [Error(str(error), hint="Give the path of a PEM file, or leave it empty.", id="gemlive.E004")]
    return [
        Warning(
            f"Sessions that leave the model's settings out are refused: {problem.message}",
            hint="Set GEMINI_MODEL to another model, unless every client gives its own settings.",
            id="gemlive.W001",
        )
        for problem in problems(settings.GEMINI_MODEL, ModelSettings(), settings.GEMINI_API_VERSION)
    ]


@register()
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What a server that others reach must not have."""
    if settings.DEBUG:
        return []
    problems: list[CheckMessage] = []
    if settings.SECRET_KEY == settings.INSECURE_SECRET_KEY:
        problems.append(
            Error(
                "SECRET_KEY is not set, and without DEBUG there is no default.",
                hint='Make one: python -c "import secrets; print(secrets.token_urlsafe(50))"',
                id="gemlive.E002",
            )
        )
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        problems.append(
            Error(
                "ALLOWED_HOSTS must name the hosts of this server when DEBUG is off.",
                hint="For example ALLOWED_HOSTS=voice.example.com",
                id="gemlive.E003",
            )
        )
    if any(origin == "null" or "*" in origin for origin in settings.ALLOWED_ORIGINS):
        problems.append(
            Error(
                "ALLOWED_ORIGINS takes exact origins only.",
                hint="For example ALLOWED_ORIGINS=https://voice.example.com",
                id="gemlive.E005",
            )
        )
    return problems

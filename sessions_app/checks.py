"""Wrong setups fail at start-up, with an id and a mend."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from .access.permissions import LOGIN, OPEN
from .gemini.models import problems
from .gemini.settings import ModelSettings
from .quotas import prices
from .quotas.limits import Allowance

EXACT_ORIGIN = re.compile(r"https?://[^\s/*?#@]+/?")


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
def check_access(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.GEMLIVE_ACCESS not in (OPEN, LOGIN):
        found.append(
            Error(
                f"GEMLIVE_ACCESS is {settings.GEMLIVE_ACCESS!r}, which means nothing.",
                hint="Set it to login (people have accounts) or, with DEBUG only, to open.",
                id="gemlive.E006",
            )
        )
    numbers = {
        "LOGIN_ATTEMPTS": 1,
        "LOGIN_ATTEMPTS_PER_ADDRESS": 0,
        "LOGIN_LOCKOUT_MINUTES": 1,
        "TICKET_SECONDS": 1,
        "TOKEN_DAYS": 1,
        "TRUSTED_PROXIES": 0,
    }
    for name, least in numbers.items():
        if getattr(settings, name) < least:
            found.append(Error(f"{name} must be {least} or more.", hint="Leave it out.", id="gemlive.E008"))
    return found


@register()
def check_quotas(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name in ("QUOTA_USER", "QUOTA_ADDRESS"):
        try:
            Allowance.parse(getattr(settings, name))
        except ValueError as error:
            hint = f'For example {name}="sessions=3 minutes=120 tokens=5000000 money=10", or less of it.'
            found.append(Error(f"{name} cannot be read: {error}.", hint=hint, id="gemlive.E060"))
    models = [settings.GEMINI_MODEL, *([settings.EXPERT_MODEL] if settings.EXPERT_DAILY_TOKENS > 0 else [])]
    try:
        unknown = [model for model in models if prices.price_of(model) is None]
    except (OSError, ValueError) as error:
        hint = "Write it as sessions_app/quotas/prices.toml is written, or leave GEMINI_PRICES_FILE empty."
        return [*found, Error(f"GEMINI_PRICES_FILE cannot be read: {error}.", hint=hint, id="gemlive.E061")]
    return found + [
        Warning(
            f"What {model} costs is not known: no quota of money holds for it.",
            hint="Copy sessions_app/quotas/prices.toml, add the model, and name the file in GEMINI_PRICES_FILE.",
            id="gemlive.W060",
        )
        for model in unknown
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
    if not settings.ALLOWED_ORIGINS or not all(EXACT_ORIGIN.fullmatch(origin) for origin in settings.ALLOWED_ORIGINS):
        problems.append(
            Error(
                "ALLOWED_ORIGINS must name exact origins when DEBUG is off, the voice page's own among them.",
                hint="For example ALLOWED_ORIGINS=https://voice.example.com",
                id="gemlive.E005",
            )
        )
    if settings.GEMLIVE_ACCESS == OPEN:
        problems.append(
            Error(
                "GEMLIVE_ACCESS=open lets everybody spend this server's key, and DEBUG is off.",
                hint="Leave GEMLIVE_ACCESS out, or set it to login; manage.py createsuperuser makes a first account.",
                id="gemlive.E007",
            )
        )
    return problems


@register()
def check_housekeeping(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.DEBUG or settings.HOUSEKEEPING_SECONDS > 0:
        return []
    why = "else no quota holds, and no session is known to be alive"
    return [
        Error(
            f"HOUSEKEEPING_SECONDS must be above 0 when DEBUG is off: {why}.", hint="Leave it out.", id="gemlive.E009"
        )
    ]


@register()
def check_api_rates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"API_RATE_{name.upper()} is no rate: {rate!r}.",
            hint="For example 600/m: a number, and s, m, h or d. Leave it empty for any number.",
            id="gemlive.E051",
        )
        for name, rate in settings.API_RATES.items()
        if rate and not re.fullmatch(r"[1-9]\d*/(s|m|h|d)", rate, re.ASCII)
    ]


@register()
def check_redactor(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    path = settings.TRANSCRIPT_REDACTOR
    if not path:
        return []
    hint = "Give the dotted path of a function (text, *, role) -> text, such as shop.privacy.without_card_numbers."
    try:
        found = import_string(path)
    except Exception as error:
        return [Error(f"TRANSCRIPT_REDACTOR cannot be imported: {error}", hint=hint, id="gemlive.E070")]
    if not callable(found):
        return [Error(f"TRANSCRIPT_REDACTOR ({path}) is no function.", hint=hint, id="gemlive.E070")]
    return []

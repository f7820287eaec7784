"""Ephemeral tokens: a client talks to Gemini itself, once, without ever seeing the server's key.

https://ai.google.dev/gemini-api/docs/ephemeral-tokens
"""

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from django.conf import settings
from django.utils import timezone
from google import genai
from google.genai import errors, types
from rest_framework.exceptions import APIException, ValidationError

from tools_app.executor import ToolExecutor

from .. import wiring
from ..browser.commands import ConnectData
from ..gemini.errors import explain
from ..models import LiveSession

VERSION = "v1alpha"
"""Of Gemini's API: no other knows these tokens yet."""
TIMEOUT = 15.0
START_WITHIN = timedelta(seconds=60)
LONGEST = timedelta(hours=20)  # Google's limit
SERVICE = f"google.ai.generativelanguage.{VERSION}.GenerativeService.BidiGenerateContentConstrained"

warnings.filterwarnings("ignore", category=errors.ExperimentalWarning, message=".*auth_tokens")


class GeminiRefused(APIException):
    status_code = 502
    default_code = "gemini_unavailable"


class NotConfigured(APIException):
    status_code = 503
    default_code = "not_configured"


def longest() -> int:
    """Minutes for which a token can be valid."""
    seconds = min(settings.SESSION_LONGEST, (LONGEST - START_WITHIN).total_seconds())
    return max(1, int(seconds // 60))


def create(session: LiveSession, minutes: int) -> dict[str, str]:
    """A token for one conversation of so many minutes with `session`'s configuration, which the client cannot change.

    Without tools: those run here, and this conversation does not pass by. The session keeps which model and voice the
    token is for, and stays as it is otherwise: this server carries nothing.

    Raises:
        ValidationError, NotConfigured, GeminiRefused: answers of REST.
    """
    try:
        setup = wiring.build_setup(session, ConnectData(), ToolExecutor(session_id=None, user_id=None, allowed=[]))
    except wiring.SettingRefused as error:
        raise ValidationError({"sessionId": [str(error)]}) from None
    now = datetime.now(UTC)
    expires = now + timedelta(minutes=minutes)
    config = types.CreateAuthTokenConfig(
        uses=1,
        expire_time=expires,
        new_session_expire_time=now + START_WITHIN,
        live_connect_constraints=types.LiveConnectConstraints(model=setup.model, config=setup.config()),
    )
    token = _ask(config)
    LiveSession.objects.filter(pk=session.pk).update(
        model=setup.model, voice=setup.voice, last_activity_at=timezone.now()
    )
    base = (settings.GEMINI_BASE_URL or "https://generativelanguage.googleapis.com").rstrip("/")
    return {
        "token": token,
        "model": setup.model,
        "expireTime": _iso(expires),
        "newSessionExpireTime": _iso(now + START_WITHIN),
        "apiVersion": VERSION,
        "url": f"{base.replace('http', 'ws', 1)}/ws/{SERVICE}",
    }


def _ask(config: types.CreateAuthTokenConfig) -> str:
    try:
        client = _client()
    except OSError as error:
        raise NotConfigured(f"GEMINI_CA_FILE cannot be read: {error.strerror}. Set it to a PEM file.") from None
    try:
        return client.auth_tokens.create(config=config).name or ""
    except (errors.APIError, httpx2.HTTPError, OSError) as error:
        failure = explain(error, where=settings.GEMINI_BASE_URL or "Gemini")
        raise GeminiRefused(failure.message, code=failure.code) from None
    finally:
        client.close()


def _client() -> genai.Client:
    """Of its own: the one of the conversations speaks another version, and has options for WebSockets only."""
    arguments: dict[str, Any] = {}
    if settings.GEMINI_CA_FILE:
        arguments["verify"] = ssl.create_default_context(cafile=settings.GEMINI_CA_FILE)
    options = types.HttpOptions(
        api_version=VERSION,
        base_url=settings.GEMINI_BASE_URL or None,
        timeout=round(TIMEOUT * 1000),
        client_args=arguments,
    )
    return genai.Client(api_key=settings.GEMINI_API_KEY, http_options=options)


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")

"""Builds a conversation from real parts. Everything else gets what it needs from here."""

import os
import tomllib
from collections import Counter
from functools import cache

from django.conf import settings
from google import genai

from tools_app.executor import ToolExecutor
from tools_app.models import Tool
from tools_app.registry import registry

from . import last_dial, metrics
from .browser.commands import ConnectData
from .gemini.connection import GeminiEndpoint, connect
from .gemini.models import capabilities, problems
from .gemini.settings import ModelSettings, WrongSetting
from .gemini.setup import LiveSetup
from .live.bridge import Bridge
from .live.calls import CallRules
from .live.connections import Connections
from .live.limits import Backend, Limits
from .live.marks import Marks
from .live.memory import Memory
from .live.ports import Browser, Recorder
from .live.protocol import Conversation
from .models import LiveSession
from .quotas.meter import meters


def gemini_endpoint() -> GeminiEndpoint:
    return GeminiEndpoint(
        api_key=settings.GEMINI_API_KEY,
        base_url=settings.GEMINI_BASE_URL,
        ca_file=settings.GEMINI_CA_FILE,
        api_version=settings.GEMINI_API_VERSION,
        connect_timeout=settings.GEMINI_CONNECT_TIMEOUT,
    )


class NotConfigured(Exception):
    """The server cannot dial Gemini as it is set up; the message says what to change."""


class SettingRefused(Exception):
    """The model would refuse these settings; the message names them and says what to change."""


@cache
def _client(endpoint: GeminiEndpoint, ca_file_changed: float) -> genai.Client:
    return endpoint.client()


def gemini_client(endpoint: GeminiEndpoint) -> genai.Client:
    """One client (and TLS context) for a process, made anew when the CA's file changes.

    Raises:
        NotConfigured: the CA's file cannot be read.
    """
    try:
        changed = os.path.getmtime(endpoint.ca_file) if endpoint.ca_file else 0.0
        return _client(endpoint, changed)
    except OSError as error:
        if settings.GEMINI_EMULATED:
            message = "The emulator of Gemini Live is not running. Start it with: python manage.py run_gemini_emulator"
        else:
            message = f"GEMINI_CA_FILE cannot be read: {error}."
        raise NotConfigured(message) from error


def phrases() -> list[str] | None:
    """What the emulator understands, for the page's buttons; None when Gemini answers."""
    if not settings.GEMINI_EMULATED:
        return None
    with open(settings.EMULATOR_SCRIPT, "rb") as script:
        return list(tomllib.load(script).get("examples", []))


def backend_kind() -> str:
    return "emulator" if settings.GEMINI_EMULATED else "gemini"


def build_setup(session: LiveSession, options: ConnectData, tools: ToolExecutor) -> LiveSetup:
    """The session's configuration, with what the client overrides, over the server's defaults.

    Raises:
        SettingRefused: the model would refuse it.
    """
    model = options.model or session.model or settings.GEMINI_MODEL
    try:
        model_settings = options.over(ModelSettings.read(session.model_settings))
    except WrongSetting as error:
        raise SettingRefused(f"{error} Create a new session.") from error
    if refused := problems(model, model_settings, settings.GEMINI_API_VERSION):
        raise SettingRefused(" ".join(problem.message for problem in refused))
    return LiveSetup(
        model=model,
        voice=options.voice or session.voice or settings.GEMINI_VOICE,
        language=options.language or session.language,
        instruction=options.system_instruction or session.instruction or settings.GEMINI_SYSTEM_INSTRUCTION,
        tools=tools.declarations(),
        settings=model_settings,
    )


def _switched_on(allowed: list[str] | None) -> list[str] | None:
    """Of the allowed tools (None: all) those that no operator has switched off."""
    off = Tool.objects.switched_off()
    if not off:
        return allowed
    names = [tool.name for tool in registry.all(wait=True)] if allowed is None else allowed
    return [name for name in names if name not in off]


def build_bridge(
    session: LiveSession, browser: Browser, recorder: Recorder, options: ConnectData, holder: str
) -> Bridge:
    """One conversation of `session`, in the quota of `holder`. Reads files and the database: call it from a thread.

    Raises:
        NotConfigured: Gemini cannot be dialled as the server is set up.
        SettingRefused: the model would refuse the conversation's settings.
    """
    allowed = session.allowed_tools
    if options.tools is not None:
        # A client may narrow what the session allows, never widen it.
        allowed = [name for name in options.tools if allowed is None or name in allowed]
    sensitive = [tool.name for tool in registry.all() if tool.sensitive]
    tools = ToolExecutor(
        session_id=session.pk,
        user_id=session.user_id,
        allowed=_switched_on(allowed),
        # What it was told in an earlier conversation of this session, it knows still.
        knows_sensitive=session.tool_calls.filter(name__in=sensitive).exists(),
    )
    setup = build_setup(session, options, tools)
    model = capabilities(setup.model)
    endpoint = gemini_endpoint()
    client = gemini_client(endpoint)
    resume = options.resume is not False
    handle = session.resumption_handle if resume else ""
    latest = list(session.transcript.order_by("-sequence")[: settings.MEMORY_MESSAGES])[::-1]
    return Bridge(
        browser=browser,
        connections=Connections(
            lambda handle, history: connect(
                client, setup, handle=handle, timeout=endpoint.connect_timeout, history=history
            ),
            handle=handle,
            where=f"The emulator at {endpoint.base_url}" if settings.GEMINI_EMULATED else endpoint.base_url or "Gemini",
            dialled=last_dial.dialled,
        ),
        tools=tools,
        recorder=recorder,
        backend=Backend(kind=backend_kind(), model=setup.model, voice=setup.voice, phrases=phrases()),
        conversation=Conversation(latest[-1].sequence + 1 if latest else 1, usage_counts=model.usage),
        call_rules=CallRules(
            is_blocking=setup.is_blocking, scheduling=setup.scheduling, gives_way=not model.cancels_blocking
        ),
        totals=metrics.CountedTotals(
            session.prompt_tokens,
            session.response_tokens,
            session.total_tokens,
            Counter(session.tokens_by_modality),
            model=setup.model,
        ),
        memory=Memory(
            [(entry.role, entry.text) for entry in latest] if resume else [],
            unknown=sum(entry.sequence > session.handle_sequence for entry in latest),
            limit=settings.MEMORY_MESSAGES,
        ),
        limits=Limits(
            idle=settings.SESSION_IDLE_TIMEOUT,
            longest=settings.SESSION_LONGEST,
            silence=settings.GEMINI_SILENCE_TIMEOUT,
        ),
        meter=meters.open(holder, setup.model),
        marks=Marks(manual=setup.settings.activity_detection == "manual"),
    )

"""What a person may choose on the voice page before a conversation begins."""

import logging
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest

from tools_app.models import Tool
from tools_app.registry import registry

from .gemini.models import offered, problems, takes
from .gemini.settings import THINKING_LEVELS, ModelSettings
from .gemini.voices import LANGUAGES, VOICES

logger = logging.getLogger(__name__)


def options(request: HttpRequest) -> dict[str, Any]:
    """As JSON has it. Waits, once after the start of the server, for tools that MCP servers are about to list."""
    return {
        "models": [_model(name) for name in offered(settings.GEMINI_MODEL)],
        "defaults": {"model": settings.GEMINI_MODEL, "voice": settings.GEMINI_VOICE},
        "voices": [{"name": name, "character": character} for name, character in VOICES.items()],
        "languages": [{"code": code, "name": name} for code, name in LANGUAGES.items()],
        "tools": _tools(request),
        "thinkingLevels": list(THINKING_LEVELS),
    }


def _model(name: str) -> dict[str, Any]:
    """What this server can ask of the model; a setting that needs another API version is none."""
    version = settings.GEMINI_API_VERSION
    may_speak_up, may_not = (takes(name, version, proactive_audio=value) for value in (True, False))
    thinking = {"level": {"thinking_level": "low"}, "budget": {"thinking_budget": 0}}
    return {
        "name": name,
        "affective": takes(name, version, affective_dialog=True),
        "proactive": ("optional" if may_not else "always") if may_speak_up else "never",
        "thinking": [way for way, setting in thinking.items() if takes(name, version, **setting)],
        "thinkingRequired": bool(problems(name, ModelSettings(), version)),
    }


def _tools(request: HttpRequest) -> list[dict[str, Any]]:
    """Those that are switched on and that this person may use; none while the database is away."""
    try:
        off = Tool.objects.switched_off()
        return [
            {"name": tool.name, "description": tool.purpose, "approval": tool.approval}
            for tool in registry.all(wait=True)
            if tool.name not in off and (not tool.permission or request.user.has_perm(tool.permission))
        ]
    except Error as error:
        logger.warning("The page offers no tools, because the database is away: %s", type(error).__name__)
        return []

"""What shall not be kept of what was said: TRANSCRIPT_REDACTOR, a function of the people who run the server.

It is called on the writer's thread, before anything reaches the database: no voice waits for it.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

NOT_KEPT = "[not kept: the redactor failed]"


@functools.cache
def _load(path: str) -> Callable[..., str]:
    return import_string(path)


def redact(text: str, role: str) -> str:
    """What may be kept of a text; `role` is "user", "model" or "tool". A mark, where that cannot be found out."""
    if not settings.TRANSCRIPT_REDACTOR or not text:
        return text
    try:
        kept = _load(settings.TRANSCRIPT_REDACTOR)(text, role=role)
        if not isinstance(kept, str):
            raise TypeError(f"it returned {type(kept).__name__}")
    except Exception as error:
        # Not its message: that may quote the text.
        logger.error("TRANSCRIPT_REDACTOR failed (%s): a text of the %s was not kept", type(error).__name__, role)
        return NOT_KEPT
    return kept


def redact_payload(value: Any) -> Any:
    """The same for every text in a tool's arguments or result, keys included."""
    if not settings.TRANSCRIPT_REDACTOR:
        return value
    if isinstance(value, str):
        return redact(value, "tool")
    if isinstance(value, dict):
        return {redact(key, "tool"): redact_payload(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact_payload(inner) for inner in value]
    return value

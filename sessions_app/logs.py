"""Log lines: one a record, whose session or request it was, and nothing secret.

What a client says may stand in any record, so every control character is written as an escape; what must not stand in
one is taken out last, from the finished text, with its tracebacks.
"""

import functools
import logging
import re
import sys
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter as Json

from tools_app.redaction import Redactor

session_id: ContextVar[str] = ContextVar("session_id", default="")
"""Set once in the task of a conversation; every task and thread that it starts has it too."""
request_id: ContextVar[str] = ContextVar("request_id", default="")

SECRET = "[secret]"  # noqa: S105  what stands in place of one
# C0 and C1 controls, and the line ends of Unicode: what a terminal or a reader of lines obeys.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# What the development server writes; a file has no use for it.
COLOURS = re.compile(r"\x1b\[[\d;]*m")
# Headers (also as Python and JSON print them), parameters of an address, and a ticket among subprotocols.
CREDENTIALS = re.compile(
    r"""(?xi)
    (?P<before>
        \b(?:authorization|x-goog-api-key|cookie|set-cookie|x-csrftoken)["']?\s*[:=,]\s*(?:b?["'])?
        (?:(?:bearer|basic|token)\s+)?
      | [?&](?:key|token|ticket|access_token|api_key|password)=
      | \bticket\.(?=[\w:.=-]{8})
    )
    (?P<credential>[^\s"'&;,)\]\\]+)
    """
)


def clean(text: str) -> str:
    """Without secrets of ours, and without what looks like somebody's credentials."""
    return CREDENTIALS.sub(rf"\g<before>{SECRET}", _redactor().clean_text(text))


@functools.cache
def _redactor() -> Redactor:
    from django.conf import settings

    names = ("GEMINI_API_KEY", "SECRET_KEY", "METRICS_TOKEN")
    secrets = [getattr(settings, name, "") for name in names]
    secrets += [database.get("PASSWORD") or "" for database in settings.DATABASES.values()]
    secrets += re.findall(r"://[^:/@]*:([^@]+)@", settings.REDIS_URL)
    # A short one ("emulator", "test") is no secret, and would go from every sentence.
    return Redactor(secret for secret in secrets if len(secret) > 8)


def _one_line(text: str) -> str:
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), COLOURS.sub("", text))


class LineFormatter(logging.Formatter):
    """`time LEVEL logger: message [session …] [request …]`; lines of a traceback are indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        named = (("session", session_id.get()), ("request", request_id.get()))
        marks = "".join(f" [{name} {value}]" for name, value in named if value)
        return _one_line(super().formatMessage(record)) + marks

    def formatException(self, ei: Any) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _indented(stack_info)

    def format(self, record: logging.LogRecord) -> str:
        # A traceback that another handler has formatted is kept in the record, not indented.
        kept, record.exc_text = record.exc_text, None
        try:
            return clean(super().format(record))
        finally:
            record.exc_text = kept


def _indented(text: str) -> str:
    return "\n".join("    " + _one_line(line) for line in text.splitlines())


class JsonFormatter(Json):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and where there are `session`, `request`,
    `exception` and what the call gave as `extra`."""

    def __init__(self) -> None:
        super().__init__(
            ("levelname", "name", "message"),
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            # uvicorn's message again, with colours; Django's request, which is no JSON.
            reserved_attrs=[*_RESERVED, "color_message", "request"],
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        named = {"session": session_id.get(), "request": request_id.get()}
        data = log_data | {name: value for name, value in named.items() if value}
        return {name: clean(value) if isinstance(value, str) else value for name, value in data.items()}


_RESERVED = [*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"]


def adopt_servers() -> None:
    """What the server itself writes is as safe as what we write.

    uvicorn's handlers stay, and its flags with them; its formatters go. Daphne's access log does not go by logging.
    """
    ours = next((handler.formatter for handler in logging.getLogger().handlers if handler.name == "console"), None)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(ours)
    if daphne := sys.modules.get("daphne.access"):
        generator = daphne.AccessLogGenerator
        write = generator.write_entry

        def write_entry(self: Any, host: str, date: Any, request: str, **more: Any) -> None:
            write(self, host, date, clean(_one_line(request)), **more)

        generator.write_entry = write_entry

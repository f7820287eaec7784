"""Metrics and logs: docs/operating.md."""

from django.core.exceptions import ImproperlyConfigured

from .environment import DEBUG, env

# Whoever shows it as bearer may read /metrics; empty: only this machine and staff.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# "line" for people, "json" for programs.
LOG_FORMAT = env.str("LOG_FORMAT", default="") or ("line" if DEBUG else "json")
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be line or json, not {LOG_FORMAT!r}.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "sessions_app.logs.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "sessions_app.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # In place of Django's own console handler, which would print each line once more.
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "daphne": {"level": "WARNING"},
        # At DEBUG it prints the x-goog-api-key header.
        "websockets": {"level": "INFO"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        # At DEBUG it prints the headers of answers, in which a server may repeat a secret.
        "httpcore2": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # What it says of servers that fail, tools_app.mcp says in one line.
        "mcp": {"level": "CRITICAL"},
    },
}

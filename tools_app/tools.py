"""Our own tools come in by the door that every app's tools use."""

from .builtin import analytics, expert, external_api, knowledge, sql, weather  # noqa: F401

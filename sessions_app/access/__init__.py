"""Who may do what: docs/access.md.

- `permissions`: who may come in at all
- `sessions`: who may open, see or end a session
- `logins`: whether the login that a WebSocket came in by still holds
- `authentication`: API tokens; `tickets`, `websocket`: how a WebSocket shows whose it is
- `address`: where a caller is; `lockout`: too many wrong passwords
- `ephemeral`: tokens with which a client talks to Gemini itself
- `views`, `urls`, `admin`: login page, REST, operators
"""

from .permissions import may_enter
from .sessions import (
    carry,
    find_session,
    listed_sessions,
    listed_tombstones,
    new_session,
    session_to_open,
    visible_calls,
    visible_sessions,
)

__all__ = [
    "carry", "find_session", "listed_sessions", "listed_tombstones", "may_enter", "new_session", "session_to_open",
    "visible_calls", "visible_sessions",
]  # fmt: skip

"""How long, how many, how much, and what is kept of them."""

from .environment import BASE_DIR, env

# Seconds that a conversation waits, tools and all, for a browser that was lost.
RECONNECT_GRACE = env.float("RECONNECT_GRACE", default=60.0)
# Seconds without a turn after which a conversation pauses, and that it lasts at most.
SESSION_IDLE_TIMEOUT = env.float("SESSION_IDLE_TIMEOUT", default=600.0)
SESSION_LONGEST = env.float("SESSION_LONGEST", default=3600.0)
SESSIONS_PER_PROCESS = env.int("SESSIONS_PER_PROCESS", default=200)
# A session that nobody has used for so many minutes expires.
SESSION_EXPIRY_MINUTES = env.float("SESSION_EXPIRY_MINUTES", default=30.0)
# Messages that a model is told when Gemini cannot resume the conversation by itself.
MEMORY_MESSAGES = env.int("MEMORY_MESSAGES", default=50)
# Seconds between looks at what this and other processes carry; 0: never.
HOUSEKEEPING_SECONDS = env.float("HOUSEKEEPING_SECONDS", default=10.0)

# --- Quotas: docs/quotas.md -------------------------------------------------------------------------------------------

# What one user, or one address that is not logged in, may use unless the admin says otherwise: conversations at once;
# minutes, tokens and US dollars a day (UTC). What is left out has no limit.
QUOTA_USER = env.str("QUOTA_USER", default="sessions=3 minutes=120 tokens=5000000 money=10")
QUOTA_ADDRESS = env.str("QUOTA_ADDRESS", default="sessions=10 minutes=120 tokens=5000000 money=10")
GEMINI_PRICES_FILE = BASE_DIR / (env.str("GEMINI_PRICES_FILE", default="") or "sessions_app/quotas/prices.toml")

# --- Privacy ----------------------------------------------------------------------------------------------------------

# Days after the last use of a session, and after a tool's call, that what was said in them is kept; empty: for ever.
RETENTION_TRANSCRIPT_DAYS = env.float("RETENTION_TRANSCRIPT_DAYS", default=None)
RETENTION_TOOL_PAYLOAD_DAYS = env.float("RETENTION_TOOL_PAYLOAD_DAYS", default=None)
# Dotted path of a function (text, *, role) -> text that says what may be kept: docs/operating.md.
TRANSCRIPT_REDACTOR = env.str("TRANSCRIPT_REDACTOR", default="")

# --- WebSocket limits -------------------------------------------------------------------------------------------

# The largest frame from a browser: a camera image as base64; an audio frame has 1 KB. uvicorn takes its own flag.
WEBSOCKET_MAX_FRAME_BYTES = 1024 * 1024
DAPHNE_WEBSOCKET_MAX_MESSAGE_SIZE = DAPHNE_WEBSOCKET_MAX_FRAME_SIZE = WEBSOCKET_MAX_FRAME_BYTES

# Sockets of one address (of a /64 for IPv6) that a process accepts; 0: any number.
CONNECTIONS_PER_ADDRESS = env.int("CONNECTIONS_PER_ADDRESS", default=100)
# Conversations of one account that a process carries at the same time.
CONNECTIONS_PER_USER = env.int("CONNECTIONS_PER_USER", default=10)
# Seconds that a socket may be open without a `connect`.
WEBSOCKET_CONNECT_TIMEOUT = env.float("WEBSOCKET_CONNECT_TIMEOUT", default=60.0)

"""Gemini, or the emulator in its place."""

from .environment import BASE_DIR, DEBUG, PORT, VAR_DIR, env

GEMINI_API_KEY = env.str("GEMINI_API_KEY", default="")
GEMINI_MODEL = env.str("GEMINI_MODEL", default="gemini-3.8-live")
GEMINI_VOICE = env.str("GEMINI_VOICE", default="Kore")
GEMINI_SYSTEM_INSTRUCTION = env.str("GEMINI_SYSTEM_INSTRUCTION", default="") or (
    "You are a helpful voice assistant of a company. Answer in short, spoken sentences. "
    "Use the tools for questions about data, documents and the weather; never invent their results."
)
# The SDK's own default is v1, which does not serve Live.
GEMINI_API_VERSION = env.str("GEMINI_API_VERSION", default="v1beta")
GEMINI_CONNECT_TIMEOUT = env.float("GEMINI_CONNECT_TIMEOUT", default=15.0)

# Without a key, in development, the emulator answers. It listens beside the server: `manage.py runserver` starts it.
GEMINI_EMULATED = DEBUG and not GEMINI_API_KEY and not env.str("GEMINI_BASE_URL", default="")
EMULATOR_PORT = env.int("EMULATOR_PORT", default=PORT + 10_000 if PORT < 55_000 else PORT - 10_000)
EMULATOR_SCRIPT = BASE_DIR / env.str("EMULATOR_SCRIPT", default="sessions_app/emulator/script.toml")
if GEMINI_EMULATED:
    GEMINI_API_KEY = "emulator"
    GEMINI_BASE_URL = f"https://127.0.0.1:{EMULATOR_PORT}"
    GEMINI_CA_FILE = str(VAR_DIR / f"emulator-ca-{EMULATOR_PORT}.pem")
else:
    GEMINI_BASE_URL = env.str("GEMINI_BASE_URL", default="")
    GEMINI_CA_FILE = env.str("GEMINI_CA_FILE", default="")

# Seconds that Gemini may say nothing while something is expected; then another connection is tried.
GEMINI_SILENCE_TIMEOUT = env.float("GEMINI_SILENCE_TIMEOUT", default=30.0)

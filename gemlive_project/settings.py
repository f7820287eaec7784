"""Every setting, read from the environment (and from `.env`) here and nowhere else.

The README's table describes each variable; a test keeps the two equal.
"""

import json
import os
import re
import tomllib
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from tools_app.mcp_servers.config import read_file

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
VAR_DIR.mkdir(exist_ok=True)

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def database(variable: str, default: str) -> dict:
    """The database of a URL; a relative SQLite path is relative to the project, whatever the working directory."""
    config = env.db_url(variable, default=default)
    if config["ENGINE"] == "django.db.backends.sqlite3" and config["NAME"] != ":memory:":
        config["NAME"] = str(BASE_DIR / config["NAME"])
    return config


def databases(text: str) -> dict:
    """Those of a JSON object; empty for none."""
    try:
        return dict(json.loads(text or "{}"))
    except (TypeError, ValueError):
        raise ImproperlyConfigured(
            'SQL_DATABASES must be a JSON object such as {"sales": {"URL": "postgres://…"}}.'
        ) from None


def external_apis(file: str) -> dict[str, Any]:
    """The TOML file's tables by host. `${NAME}` in a header is the variable NAME: secrets may stand elsewhere."""
    if not file:
        return {}
    try:
        apis = tomllib.loads((BASE_DIR / file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"EXTERNAL_APIS_FILE cannot be read: {error}. See docs/web-tools.md.") from None
    for api in apis.values():
        headers = api.get("headers") if isinstance(api, dict) else None
        for name, value in headers.items() if isinstance(headers, dict) else ():
            # One that is not set stays as it is, for gemlive.E044 to name.
            if isinstance(value, str):
                headers[name] = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1]) or found[0], value)
    return apis


DEBUG = env.bool("DEBUG", default=True)
PORT = env.int("PORT", default=3001)
# gemlive.E002 refuses to start without DEBUG on this key.
INSECURE_SECRET_KEY = "django-insecure-for-development-only-never-for-a-server-that-others-reach"  # noqa: S105
SECRET_KEY = env.str("SECRET_KEY", default="") or INSECURE_SECRET_KEY
# Empty with DEBUG means localhost only: Django refuses every other Host header.
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

# --- Gemini -----------------------------------------------------------------------------------------------------

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

# --- Conversations ----------------------------------------------------------------------------------------------

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

# --- Tools ------------------------------------------------------------------------------------------------------

TOOLS_TIMEOUT = env.float("TOOLS_TIMEOUT", default=20.0)
# Seconds in which a person has to agree to a call that wants an approval; after that it is denied.
TOOLS_APPROVAL_TIMEOUT = env.float("TOOLS_APPROVAL_TIMEOUT", default=60.0)
# Hosts that call_external_api may reach, as "api.example.com" or "api.example.com:8443"; none unless listed.
TOOLS_ALLOWED_HOSTS = env.list("TOOLS_ALLOWED_HOSTS", default=[])
# Methods for hosts that have none of their own.
TOOLS_ALLOWED_METHODS = env.list("TOOLS_ALLOWED_METHODS", default=["GET", "HEAD"])
# APIs with methods, a description and secret headers of their own: docs/web-tools.md.
EXTERNAL_APIS = external_apis(env.str("EXTERNAL_APIS_FILE", default=""))
# host:port pairs on private addresses that tools may reach all the same (an intranet's API).
TOOLS_PRIVATE_HOSTS = env.list("TOOLS_PRIVATE_HOSTS", default=[])
OPEN_METEO_GEOCODING_URL = env.str("OPEN_METEO_GEOCODING_URL", default="https://geocoding-api.open-meteo.com/v1/search")
OPEN_METEO_FORECAST_URL = env.str("OPEN_METEO_FORECAST_URL", default="https://api.open-meteo.com/v1/forecast")
# The text model behind ask_expert, with the key and the address of Gemini; tokens of an answer, and of a day (UTC).
EXPERT_MODEL = env.str("EXPERT_MODEL", default="gemini-3.8-flash")
EXPERT_MAX_OUTPUT_TOKENS = env.int("EXPERT_MAX_OUTPUT_TOKENS", default=2048)
EXPERT_DAILY_TOKENS = env.int("EXPERT_DAILY_TOKENS", default=200_000)
# The databases that execute_sql_query reads, by the name that the model uses. "main" is the demo shop unless set.
DEMO_DATABASE = database("DEMO_DATABASE_URL", "sqlite:///var/demo_shop.sqlite3")
# Others as a JSON object: {"sales": {"URL": "postgres://…", "TABLES": ["invoices"], "DESCRIPTION": "…"}}
SQL_DATABASES = {"main": DEMO_DATABASE} | databases(env.str("SQL_DATABASES", default=""))
# A JSON file of MCP servers whose tools the model may use: docs/mcp.md. What is wrong with it, gemlive.E021 tells.
MCP_SERVERS_FILE = env.str("MCP_SERVERS_FILE", default="")
MCP_SERVERS, MCP_SERVERS_PROBLEMS = read_file(BASE_DIR / MCP_SERVERS_FILE if MCP_SERVERS_FILE else None, env.ENVIRON)

# --- Django -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Before daphne and staticfiles: our runserver builds on theirs.
    "sessions_app",
    "tools_app",
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "gemlive_project.urls"
ASGI_APPLICATION = "gemlive_project.asgi.application"
# The seed's paths have no trailing slash, and a redirect would lose a POST's body.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database("DATABASE_URL", "sqlite:///var/db.sqlite3")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Only these together gave no "database is locked" with 50 writers (reliability-security, finding 5).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # A host that swallows packets would hold the writer for minutes.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    CHANNEL_LAYERS = {
        # The core layer loses idle consumers with redis-py 8 (channels_redis#422); this one does not.
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

# WhiteNoise hands out files by plain iterators; Django reads them in a thread, which is what we want, and says so.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a missing one, and in development nobody collects
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "gemlive_project.storage.StaticStorage"},
    }

# --- Who may call us --------------------------------------------------------------------------------------------

# Exact origins (scheme, host, port) of pages that may call REST and open the WebSocket.
ALLOWED_ORIGINS = env.list(
    "ALLOWED_ORIGINS", default=["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:5500"]
)
if DEBUG:
    ALLOWED_ORIGINS += [f"http://localhost:{PORT}", f"http://127.0.0.1:{PORT}"]
CORS_ALLOWED_ORIGINS = [origin for origin in ALLOWED_ORIGINS if origin != "null"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = ("accept", "authorization", "content-type", "x-csrftoken", "x-requested-with", "x-user-id")
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    # Open, as the seed: who holds a session's id may use it.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "sessions_app.exceptions.rest_exception_handler",
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not DEBUG:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- WebSocket limits -------------------------------------------------------------------------------------------

# The largest frame from a browser: a camera image as base64; an audio frame has 1 KB. uvicorn takes its own flag.
WEBSOCKET_MAX_FRAME_BYTES = 1024 * 1024
DAPHNE_WEBSOCKET_MAX_MESSAGE_SIZE = DAPHNE_WEBSOCKET_MAX_FRAME_SIZE = WEBSOCKET_MAX_FRAME_BYTES

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
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
        # What it says of servers that fail, tools_app.mcp says in one line.
        "mcp": {"level": "CRITICAL"},
    },
}

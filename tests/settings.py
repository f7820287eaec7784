"""The project's own settings, pinned so that a developer's .env cannot change a test's outcome."""

import os
import tempfile
from pathlib import Path

for name, value in {
    "DEBUG": "1",
    "PORT": "3001",
    "GEMINI_API_KEY": "",
    "GEMINI_BASE_URL": "",
    "GEMINI_CA_FILE": "",
    "REDIS_URL": "",
    "GEMLIVE_ACCESS": "open",
    "TRUSTED_PROXIES": "0",
    "SECRET_KEY": "",
    "ALLOWED_HOSTS": "",
    "ALLOWED_ORIGINS": "http://localhost:3000,http://localhost:5173,http://127.0.0.1:5500",
    "DATABASE_URL": "sqlite:///var/db.sqlite3",
    "TOOLS_ALLOWED_HOSTS": "",
    "TOOLS_ALLOWED_METHODS": "GET,HEAD",
    "TOOLS_PRIVATE_HOSTS": "",
    "SQL_DATABASES": "",
    "EXTERNAL_APIS_FILE": "",
    "MCP_SERVERS_FILE": "",
    "API_RATE_USER": "",
    "API_RATE_ANONYMOUS": "",
    "API_RATE_SESSIONS": "",
    "METRICS_TOKEN": "",
    "LOG_FORMAT": "",
    "RETENTION_TRANSCRIPT_DAYS": "",
    "RETENTION_TOOL_PAYLOAD_DAYS": "",
    "TRANSCRIPT_REDACTOR": "",
    "QUOTA_USER": "",
    "QUOTA_ADDRESS": "",  # every test comes from the same address
    "HOUSEKEEPING_SECONDS": "10",
}.items():
    os.environ[name] = value  # before the project's settings read it; .env never overrides what is set

from gemlive_project.settings import *  # noqa: E402, F403
from gemlive_project.settings import DATABASES  # noqa: E402

# A file, not ":memory:": the recorder's and the tools' threads have connections of their own.
_folder = Path(tempfile.mkdtemp(prefix="gemlive-tests-"))
DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
DEMO_DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(_folder / "demo_shop.sqlite3")}
SQL_DATABASES = {"main": DEMO_DATABASE}
HOUSEKEEPING_SECONDS = 0.0  # here no thread that looks into the database of whatever test runs
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

"""Where settings come from, the environment and `.env`; and what the others need first."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parents[2]
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


DEBUG = env.bool("DEBUG", default=True)
PORT = env.int("PORT", default=3001)
# gemlive.E002 refuses to start without DEBUG on this key.
INSECURE_SECRET_KEY = "django-insecure-for-development-only-never-for-a-server-that-others-reach"  # noqa: S105
SECRET_KEY = env.str("SECRET_KEY", default="") or INSECURE_SECRET_KEY
# Empty with DEBUG means localhost only: Django refuses every other Host header.
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

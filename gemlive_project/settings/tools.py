"""What the model may use: docs/tools.md."""

import json
import os
import re
import tomllib
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from tools_app.mcp_servers.config import read_file

from .environment import BASE_DIR, database, env


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

"""The REST API: docs/rest.md."""

from .access import TRUSTED_PROXIES
from .environment import env

# Requests of REST that an account, or an address without one, may make, such as "600/m" (s, m, h, d); empty: any.
# "sessions" is what both may make with POST /api/sessions.
API_RATES = {
    "user": env.str("API_RATE_USER", default="1200/m"),
    "anonymous": env.str("API_RATE_ANONYMOUS", default="600/m"),
    "sessions": env.str("API_RATE_SESSIONS", default="120/m"),
}

REST_FRAMEWORK = {
    # The first one names the scheme of a 401's WWW-Authenticate.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sessions_app.access.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["sessions_app.access.permissions.MayEnter"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["sessions_app.rest.parsers.BoundedJSONParser"],
    "EXCEPTION_HANDLER": "sessions_app.rest.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["sessions_app.rest.throttles.Accounts", "sessions_app.rest.throttles.Addresses"],
    "NUM_PROXIES": TRUSTED_PROXIES,
    # `format` is a query like any other.
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Voice conversations with Gemini Live",
    "DESCRIPTION": "Every error is `{detail, code}`; wrong fields stand in `fields`, too.",
    "VERSION": "1",
    "SERVE_PERMISSIONS": ["sessions_app.access.permissions.MayEnter"],
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "sessions_app.rest.schema.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SessionStatus": "sessions_app.models.LiveSession.Status",
        "ToolCallStatus": "tools_app.models.ToolCall.Status",
    },
}

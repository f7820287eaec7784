"""What OpenAPI says of REST, and the page that shows it."""

from functools import cache
from typing import Any

from csp.decorators import csp_update
from django.contrib.auth.views import redirect_to_login
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ..access.permissions import is_open

ERROR = {
    "type": "object",
    "description": "What every error says.",
    "properties": {
        "detail": {"type": "string", "description": "A sentence that says what to do."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "fields": {
            "type": "object",
            "description": "What is wrong with each field, where fields are wrong.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["detail", "code"],
}
ERRORS = {
    "400": "The query or the body is wrong.",
    "401": "Nobody is logged in, and no valid token came with it.",
    "403": "Not allowed to this caller, or without a CSRF token.",
    "404": "There is no such thing, or it is somebody else's.",
    "406": "None of the accepted media types can be answered.",
    "409": "The session has ended.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "429": "Too many requests.",
    "502": "Gemini gives no token.",
    "503": "The database, the cache or Gemini is not there.",
}
OF_A_CONVERSATION = ("sessions_ticket_create", "ephemeral_tokens_create")
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}


def complete(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Give every operation a summary, and the errors that it may answer with; a hook of drf-spectacular."""
    result["components"].setdefault("schemas", {})["Error"] = ERROR
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for operation in (operation for path in result["paths"].values() for operation in path.values()):
        if is_open():
            operation["security"] = [*operation.get("security", ()), {}]
        operation["summary"] = operation["description"].partition(". ")[0].rstrip(".")
        places = {parameter["in"] for parameter in operation.get("parameters", ())}
        left_out = {
            "400": "query" not in places and "requestBody" not in operation,
            "404": "path" not in places and operation["operationId"] not in OF_A_CONVERSATION,
            "409": operation["operationId"] not in OF_A_CONVERSATION,
            "413": "requestBody" not in operation,
            "415": "requestBody" not in operation,
            "502": operation["operationId"] not in OF_A_CONVERSATION,
        }
        for status, description in ERRORS.items():
            if not left_out.get(status):
                answer = {"description": description, "content": content}
                headers = {"headers": RETRY_AFTER} if status == "429" else {}
                operation["responses"].setdefault(status, answer | headers)
    return result


class TokenScheme(OpenApiAuthenticationExtension):
    """What OpenAPI says of our tokens."""

    target_class = "sessions_app.access.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token …"}


@cache
def _described() -> dict[str, Any]:
    """Once for a process: it takes a while, and says the same to everybody."""
    return SchemaGenerator().get_schema(request=None, public=True)


class Schema(APIView):
    """OpenAPI 3.1, as JSON or YAML."""

    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer2, OpenApiYamlRenderer)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(_described())


class Docs(SpectacularSwaggerSplitView):
    """The schema as a page. A person who has to log in is led there and back; a program is told (401)."""

    url_name = "schema"

    def handle_exception(self, error: Exception) -> Any:
        wants_page = self.request.get_preferred_type(["application/json", "text/html"]) == "text/html"
        if isinstance(error, NotAuthenticated) and wants_page:
            return redirect_to_login(self.request.get_full_path())
        return super().handle_exception(error)


# The page's style has pictures in itself.
docs = csp_update({"img-src": ["data:"]})(Docs.as_view())

"""Calls to HTTP APIs that an administrator has allowed."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..context import ToolContext
from ..exceptions import ToolError
from ..external_apis import all_apis, api_for
from ..registry import tool
from ..targets import Target

MAX_TEXT = 20_000
WITHOUT_BODY = ("GET", "HEAD")


def describe_external_api() -> str:
    hosts = "; ".join(map(str, all_apis())) or "none yet; an administrator can add some to TOOLS_ALLOWED_HOSTS"
    return f"Call an HTTP API and get its answer. Allowed hosts: {hosts}."


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _from_text(value: Any) -> Any:
    """Models write an object as JSON text now and then."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


@tool(description=describe_external_api, timeout=15, outside=True)
async def call_external_api(
    context: ToolContext,
    url: Annotated[str, Field(description="The whole URL, with https://.", max_length=2000)],
    method: Annotated[
        Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        BeforeValidator(_upper),
        Field(description="The HTTP method."),
    ] = "GET",
    body: Annotated[
        dict[str, Any] | None, BeforeValidator(_from_text), Field(description="A JSON object to send.")
    ] = None,
) -> dict:
    if not all_apis():
        raise ToolError(
            "This server allows no external hosts yet; an administrator can list some in TOOLS_ALLOWED_HOSTS, "
            "for example TOOLS_ALLOWED_HOSTS=api.example.com."
        )
    if body is not None and method in WITHOUT_BODY:
        raise ToolError(f"A {method} request has no body; put the values into the URL, or use POST.")
    api = api_for(Target.parse(url), method)
    response = await context.http.request(method, url, json=body, secret_headers=api.headers)
    return {
        "status": response.status,
        "contentType": response.content_type,
        "body": _body(response.content_type, response.text),
    }


def _body(content_type: str, text: str) -> Any:
    if content_type == "application/json" or content_type.endswith("+json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… (cut off)"

"""Tools that are declared wrongly are found at start-up, with their file and line and what to mend."""

import inspect
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning, register

from . import discovery
from .definition import ToolDefinition
from .registry import registry
from .schema import KEPT

# https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
MAX_TOOLS = 128
MAX_DEPTH = 32
TYPES = {"string", "integer", "number", "boolean", "array", "object"}


@register()
def check_tools(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = [
        Error(
            f"{problem.place}: {problem.sentence}",
            hint="Mend the declaration; the tool is left out until then (docs/tools.md).",
            id="gemlive.E010",
        )
        for problem in discovery.problems
    ]
    tools = registry.all()
    for tool in tools:
        found += _check(tool)
    if len(tools) > MAX_TOOLS:
        found.append(
            Warning(
                f"{len(tools)} tools are registered, and Gemini takes {MAX_TOOLS} in one conversation.",
                hint='Name the tools of a session: POST /api/sessions {"tools": […]}.',
                id="gemlive.W012",
            )
        )
    return found


def _check(tool: ToolDefinition) -> Iterator[CheckMessage]:
    for path, complaint in _complaints(tool.arguments.schema):
        yield Error(
            f"{tool.place}: tool {tool.name!r}, {path or 'parameters'}: {complaint}",
            hint="Annotate the parameter with a type that Gemini's schemas have (docs/tools.md, Types and schema).",
            id="gemlive.E011",
        )
    app = (tool.permission or "").partition(".")[0]
    if app and not any(config.label == app for config in apps.get_app_configs()):
        yield Warning(
            f"{tool.place}: tool {tool.name!r} wants the permission {tool.permission!r}, and no installed app is "
            f"called {app!r}: only superusers have it.",
            hint="Write it as 'app_label.codename', such as 'shop.view_order'.",
            id="gemlive.W010",
        )
    if tool.streams and tool.behavior == "BLOCKING":
        yield Warning(
            f"{tool.place}: tool {tool.name!r} yields its result in parts, and is BLOCKING: the model gets them "
            "together, at the end.",
            hint="Declare it behavior='NON_BLOCKING'.",
            id="gemlive.W011",
        )
    if inspect.isgeneratorfunction(inspect.unwrap(tool.handler)):
        yield Error(
            f"{tool.place}: tool {tool.name!r} is a plain generator, which no tool can be.",
            hint="Return a list, or make it an async generator (async def … yield).",
            id="gemlive.E012",
        )


def _complaints(schema: dict[str, Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(where, what) Gemini would refuse: https://ai.google.dev/api/caching#Schema."""
    if depth > MAX_DEPTH:
        yield path, f"it is nested more than {MAX_DEPTH} levels deep"
        return
    if unknown := schema.keys() - KEPT - {"format"}:
        yield path, f"Gemini's schemas have no {min(unknown)!r}"
    kind = schema.get("type")
    if kind is not None and kind not in TYPES:
        yield path, f"{kind!r} is no type; the types are: {', '.join(sorted(TYPES))}"
    if len({type(value) for value in schema.get("enum", [])}) > 1:
        yield path, "its choices are of different types"
    for name, inner in schema.get("properties", {}).items():
        yield from _complaints(inner, f"{path}.{name}".lstrip("."), depth + 1)
    if "items" in schema:
        yield from _complaints(schema["items"], f"{path}[]", depth + 1)
    for inner in schema.get("anyOf", []):
        yield from _complaints(inner, path, depth + 1)

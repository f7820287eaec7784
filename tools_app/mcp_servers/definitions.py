"""What a server lists → definitions of tools; what it answers → what the model gets. Nothing of it is trusted."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from mcp import types
from pydantic import RootModel
from referencing import Registry
from referencing.exceptions import Unresolvable

from tools_app.arguments import Arguments
from tools_app.definition import ToolDefinition
from tools_app.exceptions import ToolDefinitionError, ToolError
from tools_app.schema import for_gemini

from .config import ILLEGAL, ServerConfig

# Gemini is told of every tool at each connection: so many of one server, each of them so long.
MAX_TOOLS = 100
MAX_DESCRIPTION = 2000
MAX_SCHEMA_BYTES = 16 * 1024
# References that are put in place of what they name; each may lead to further ones.
MAX_REFERENCES = 100


class SchemaArguments(Arguments):
    """Arguments that are checked against the server's own schema. `schema` is what Gemini is told."""

    def __init__(self, own: Mapping[str, Any]):
        """Raises ValueError (and SchemaError) for a schema that Gemini cannot be told."""
        if str(own.get("type", "object")) != "object":
            raise ValueError("its arguments are no object")
        if len(json.dumps(own)) > MAX_SCHEMA_BYTES:
            raise ValueError(f"its schema is longer than {MAX_SCHEMA_BYTES // 1024} KB")
        definitions = _Definitions({**(own.get("definitions") or {}), **(own.get("$defs") or {})})
        self.schema = for_gemini({**own, "type": "object", "$defs": definitions})
        if len(json.dumps(self.schema)) > MAX_SCHEMA_BYTES:
            raise ValueError(f"its schema is longer than {MAX_SCHEMA_BYTES // 1024} KB once references are filled in")
        kind = validator_for(own, default=Draft202012Validator)
        kind.check_schema(own)
        # A pattern of the server's could take for ever on this thread; the server checks its patterns itself.
        # The empty registry: no `$ref` is looked up over the network.
        kind = extend(kind, {"pattern": _anything, "patternProperties": _anything})
        self._validator: Validator = kind(own, registry=Registry())
        self._closed = "additionalProperties" not in own and "patternProperties" not in own

    def validate(self, tool: str, args: Any) -> Any:
        """Raises ToolError with a sentence that lets the model correct its call."""
        given, known = self._given(tool, args), self.schema["properties"]
        names = ", ".join(known) or "none"
        wrong = [
            f"{name[:80]!r} is not an argument (the arguments are: {names})"
            for name in given
            if known and self._closed and name not in known
        ]
        with contextlib.suppress(Unresolvable, RecursionError):  # the server checks what cannot be checked here
            wrong += [_problem(error) for error in itertools.islice(self._validator.iter_errors(given), 5)]
        if wrong:
            raise ToolError(
                f"{tool} was called with wrong arguments: {'; '.join(wrong[:5])}. Call it again with these corrected."
            )
        return RootModel[dict[str, Any]](given)


class _Definitions(dict):
    """Definitions that can be looked up so many times: a few that name each other twice would fill the memory."""

    left = MAX_REFERENCES

    def __getitem__(self, name: str) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"its schema has more than {MAX_REFERENCES} references")
        if name not in self:
            raise ValueError(f"its schema refers to {name!r}, which is not among its definitions")
        return super().__getitem__(name)


def _anything(*_: Any) -> Iterable[Any]:
    return ()


def _problem(error: Any) -> str:
    if error.validator == "required":
        return str(error.message)[:200].replace("is a required property", "is missing")
    where = ".".join(str(part) for part in error.absolute_path)[:80]
    return f"{where!r} is wrong: {str(error.message)[:200]}" if where else str(error.message)[:200]


def definitions(
    server: str,
    config: ServerConfig,
    tools: list[types.Tool],
    handler: Callable[[str], Any],
    say: Callable[[str], None],
) -> list[ToolDefinition]:
    """Of those tools that are allowed and can be told to Gemini; `say` gets a line for each that is left out.

    `handler(name)` gives the async function that calls the server's tool of that name.
    """
    prefix = config.prefix_for(server)
    wanted = [tool for tool in tools if config.tools is None or tool.name in config.tools]
    for name in sorted(set(config.tools or ()) - {tool.name for tool in tools}):
        say(f"has no tool {name!r}, which 'tools' allows")
    if len(wanted) > MAX_TOOLS:
        say(f"lists {len(wanted)} tools; the first {MAX_TOOLS} are used: name those that you want in 'tools'")
    made: dict[str, ToolDefinition] = {}
    for tool in wanted[:MAX_TOOLS]:
        try:
            definition = _definition(prefix + ILLEGAL.sub("_", tool.name), server, config, tool, handler(tool.name))
        except SchemaError as error:
            say(f"leaves out {tool.name[:80]!r}: its schema is no JSON schema ({error.message[:200]})")
        except (ToolDefinitionError, ValueError) as error:
            say(f"leaves out {tool.name[:80]!r}: {str(error)[:300]}")
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            say(f"leaves out {tool.name[:80]!r}: Gemini cannot be told its schema ({type(error).__name__})")
        else:
            if made.setdefault(definition.name, definition) is not definition:
                say(f"leaves out {tool.name[:80]!r}: another of its tools is called {definition.name} too")
    return list(made.values())


def _definition(name: str, server: str, config: ServerConfig, tool: types.Tool, handler: Any) -> ToolDefinition:
    arguments = SchemaArguments(tool.input_schema)
    description = (tool.description or "").strip() or (tool.title or "").strip() or f"{tool.name}, a tool of {server}."
    return ToolDefinition(
        name=name,
        description=description[:MAX_DESCRIPTION],
        parameters=arguments.schema,
        handler=handler,
        timeout=config.timeout,
        permission=config.permission,
        approval=config.holds("approval", tool.name),
        outside=config.holds("outside", tool.name),
        sensitive=config.holds("sensitive", tool.name),
        arguments=arguments,
    )


def result(answer: types.CallToolResult) -> Any:
    """What the model gets: the structured content, else the text. Raises ToolError for an answer that is an error."""
    text = "\n".join(_part(part) for part in answer.content)
    if answer.is_error:
        raise ToolError(text or "The tool failed without saying why.")
    return text if answer.structured_content is None else answer.structured_content


def _part(part: Any) -> str:
    if isinstance(part, types.TextContent):
        return part.text
    if isinstance(part, types.EmbeddedResource) and isinstance(part.resource, types.TextResourceContents):
        return part.resource.text
    if isinstance(part, types.ResourceLink):
        return f"({part.name}: {part.uri})"
    inner = part.resource if isinstance(part, types.EmbeddedResource) else part
    kind = {"image": "an image", "audio": "a sound"}.get(part.type, "a file")
    return f"({kind}, {inner.mime_type or 'of an unknown type'})"

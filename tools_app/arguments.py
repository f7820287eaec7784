"""A tool's parameters: from its signature or its JSON schema, and the model's arguments checked against them."""

import inspect
import re
import typing
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic.errors import PydanticUserError

from .context import ToolContext
from .exceptions import ToolDefinitionError, ToolError
from .schema import LENIENT, for_gemini, model_from_properties

SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns?|Raises|Yields?|Examples?|Notes?):\s*$", re.MULTILINE)


class Arguments:
    """What a tool takes. `schema` is what Gemini is told."""

    def __init__(self, model: type[BaseModel], schema: dict[str, Any]):
        self.model = model
        self.schema = schema

    def validate(self, tool: str, args: Any) -> BaseModel:
        """Raises ToolError with a sentence that lets the model correct its call."""
        try:
            return self.model.model_validate(self._given(tool, args))
        except ValidationError as error:
            raise ToolError(self._sentence(tool, error)) from None

    def _given(self, tool: str, args: Any) -> dict[str, Any]:
        """The arguments that are meant as such. Raises ToolError if they are no object."""
        if not isinstance(args, Mapping):
            raise ToolError(f"The arguments of {tool} must be a JSON object; call it again with one.")
        known = self.schema["properties"]
        required = self.schema.get("required", ())
        return {
            name: value
            for name, value in args.items()
            # null for a parameter that has a default and cannot be null means "you choose".
            if value is not None or name in required or name not in known or known[name].get("nullable")
        }

    def _sentence(self, tool: str, error: ValidationError) -> str:
        problems = []
        for problem in error.errors(include_url=False)[:5]:
            name = repr(".".join(str(part) for part in problem["loc"])[:80])
            if problem["type"] == "extra_forbidden":
                known = ", ".join(self.schema["properties"]) or "none"
                problems.append(f"{name} is not an argument (the arguments are: {known})")
            elif problem["type"] == "missing":
                problems.append(f"{name} is missing")
            else:
                problems.append(f"{name} is wrong: {problem['msg']} (got {str(problem['input'])[:80]!r})")
        return f"{tool} was called with wrong arguments: {'; '.join(problems)}. Call it again with these corrected."


def from_function(function: Callable, tool: str) -> tuple[Arguments, str | None]:
    """The arguments of a function, and the name of its ToolContext parameter if it has one.

    Types, constraints and descriptions come from the annotations (`Annotated[int, Field(ge=1)]`); a description
    may also stand in the docstring's `Args:` section. The model's name for a parameter is the parameter's, or its
    `Field(alias="maxResults")`. Raises ToolDefinitionError where a parameter cannot be told to a model.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ToolDefinitionError(
            f"Tool {tool!r}: its annotations cannot be read ({error}); import the types at the top of the module."
        ) from error
    fields: dict[str, Any] = {}
    context = None
    for name, parameter in inspect.signature(function).parameters.items():
        if hints.get(name) is ToolContext:
            context = name
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ToolDefinitionError(
                f"Tool {tool!r}: a model gives arguments by name, which {str(parameter)!r} cannot take; spell them out."
            )
        if name not in hints:
            raise ToolDefinitionError(f"Tool {tool!r}: parameter {name!r} has no annotation; give it one, such as str.")
        if name.startswith("_"):
            raise ToolDefinitionError(f"Tool {tool!r}: parameter {name!r} must not start with an underscore.")
        fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    try:
        with warnings.catch_warnings():
            # A parameter may well be called "json" or "schema": values are read from the instance's __dict__.
            warnings.filterwarnings("ignore", message=".*shadows an attribute.*", category=UserWarning)
            model = create_model("Arguments", __config__=LENIENT, **fields)
        schema = for_gemini(model.model_json_schema())
    except (PydanticUserError, TypeError, ValueError) as error:
        raise ToolDefinitionError(
            f"Tool {tool!r}: its parameters have no JSON schema ({str(error).splitlines()[0]}); "
            "annotate them with types that JSON can hold."
        ) from error
    described = documented_parameters(function)
    for name, info in model.model_fields.items():
        if name in described:
            schema["properties"][info.alias or name].setdefault("description", described[name])
    return Arguments(model, schema), context


def from_json_schema(schema: Any, tool: str) -> Arguments:
    """The arguments that a hand-written JSON schema describes; types may be in capitals, as Google writes them."""
    if not isinstance(schema, Mapping) or str(schema.get("type", "object")).lower() != "object":
        raise ToolDefinitionError(
            f"Tool {tool!r}: parameters must be a JSON schema of type 'object', like "
            "{'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']}."
        )
    try:
        properties = dict(schema.get("properties") or {})
        required = list(schema.get("required") or [])
        if unknown := [name for name in required if name not in properties]:
            raise ValueError(f"'required' names {unknown[0]!r}, which 'properties' does not have")
        return Arguments(model_from_properties(properties, required), for_gemini({**schema, "type": "object"}))
    except (AttributeError, KeyError, TypeError, ValueError, PydanticUserError) as error:
        raise ToolDefinitionError(f"Tool {tool!r}: parameters is no JSON schema that Gemini takes: {error}.") from error


def summary(function: Callable) -> str:
    """The docstring up to its first section such as `Args:`."""
    return SECTION.split(inspect.getdoc(function) or "", maxsplit=1)[0].strip()


def documented_parameters(function: Callable) -> dict[str, str]:
    """Parameter descriptions of a Google-style `Args:` section."""
    parts = SECTION.split(inspect.getdoc(function) or "")
    described: dict[str, str] = {}
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        if heading not in ("Args", "Arguments", "Parameters"):
            continue
        name = None
        for line in inspect.cleandoc(body).splitlines():
            if match := re.match(r"(\w+)(?: ?\([^)]*\))?:\s*(.*)", line):
                name = match[1]
                described[name] = match[2]
            elif name and line.startswith(" "):
                described[name] += f" {line.strip()}"
    return described

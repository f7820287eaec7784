"""JSON schema as pydantic writes it → JSON schema as Gemini reads it, and a hand-written one → pydantic types.

Gemini reads an OpenAPI-like subset (https://ai.google.dev/api/caching#Schema): no `$ref`, no `title`,
no `additionalProperties`, `nullable` instead of a null type, `date-time` as the only format of a string.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

KEPT = {
    *("type", "description", "enum", "items", "minItems", "maxItems", "properties", "required", "nullable"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern", "anyOf", "default"),
}
HINTS = {
    "date": "A date as YYYY-MM-DD.",
    "time": "A time as HH:MM:SS.",
    "duration": "An ISO 8601 duration such as PT1H30M.",
    "uuid": "A UUID.",
}
# A model's JSON is looser than a program's: "5" or 5.0 for 5 is meant well. A name that is not ours is not.
LENIENT = ConfigDict(extra="forbid", coerce_numbers_to_str=True, str_strip_whitespace=True, protected_namespaces=())
CONSTRAINTS = {
    "minimum": "ge",
    "maximum": "le",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}
TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "object": dict[str, Any], "any": Any}


def for_gemini(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema in Gemini's subset, with lowercase types. Raises ValueError for one that contains itself."""
    result = _simplify(schema, schema.get("$defs", {}), ())
    if result.get("type") == "object":
        result.setdefault("properties", {})
    return result


def _simplify(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        if name in inside:
            raise ValueError(f"{name} contains itself, which Gemini's schemas cannot say")
        around = {key: value for key, value in schema.items() if key != "$ref"}
        return _simplify({**definitions[name], **around}, definitions, (*inside, name))

    schema = dict(schema)
    if "const" in schema:
        schema["enum"] = [schema["const"]]
    if isinstance(kind := schema.get("type"), list):
        schema["anyOf"] = [{"type": one} for one in kind]
        del schema["type"]
    choices = schema.pop("anyOf", None) or schema.pop("oneOf", None)
    if choices:
        some = [choice for choice in choices if choice.get("type") != "null"]
        if len(some) < len(choices):
            schema["nullable"] = True
        if len(some) == 1:
            return _simplify({**some[0], **schema}, definitions, inside)
        schema["anyOf"] = [_simplify(choice, definitions, inside) for choice in some]

    result = {key: value for key, value in schema.items() if key in KEPT}
    if isinstance(result.get("type"), str):
        result["type"] = result["type"].lower()
    if "properties" in result:
        result["properties"] = {
            name: _simplify(value, definitions, inside) for name, value in result["properties"].items()
        }
    if result.get("type") == "array":
        result["items"] = _simplify(result.get("items") or {"type": "string"}, definitions, inside)
    if result.get("default", ...) is None:
        del result["default"]
    _keep_format(result, schema)
    return result


def _keep_format(result: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """What the subset has no word for is said in the description; the validation still checks it."""
    hints = []
    if (form := schema.get("format")) == "date-time":
        result["format"] = form
    elif form in HINTS:
        hints.append(HINTS[form])
    for key, word in (("exclusiveMinimum", "More than"), ("exclusiveMaximum", "Less than")):
        if key in schema:
            hints.append(f"{word} {schema[key]}.")
    if hints:
        result["description"] = " ".join([*filter(None, [result.get("description")]), *hints])


def model_from_properties(properties: Mapping[str, Any], required: list[str]) -> type[BaseModel]:
    """A pydantic model with these JSON-schema properties as aliases. Raises ValueError for an unknown type."""
    fields: dict[str, Any] = {}
    for number, (name, schema) in enumerate(properties.items()):
        default = ... if name in required else schema.get("default")
        fields[f"field_{number}"] = (_type_of(schema), Field(default, alias=name))
    return create_model("Arguments", __config__=LENIENT, **fields)


def _type_of(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "any")
    nullable = bool(schema.get("nullable"))
    if isinstance(kind, list):
        nullable = nullable or "null" in kind
        some = [one for one in kind if one != "null"]
        kind = some[0] if len(some) == 1 else "any"
    kind = kind.lower()
    hint: Any
    if schema.get("enum"):
        hint = Literal[tuple(schema["enum"])]
    elif kind == "array":
        hint = list[_type_of(schema.get("items") or {})]  # type: ignore[misc]
    elif kind == "object" and schema.get("properties"):
        hint = model_from_properties(schema["properties"], schema.get("required") or [])
    elif kind in TYPES:
        hint = TYPES[kind]
    else:
        raise ValueError(f"{kind!r} is no type; use string, integer, number, boolean, array or object")
    limits = {ours: schema[theirs] for theirs, ours in CONSTRAINTS.items() if theirs in schema}
    if limits:
        hint = Annotated[hint, Field(**limits)]
    return hint | None if nullable else hint

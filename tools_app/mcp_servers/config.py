"""The MCP servers that the settings name, in the JSON form that every MCP client knows."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

# Claude's and VS Code's spelling: ${NAME}, or ${NAME:-what if it is not set}.
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
ILLEGAL = re.compile(r"[^A-Za-z0-9_.\-]")


class ServerConfig(BaseModel):
    """One entry of `mcpServers`: `command` (a process of ours, over stdin and stdout) or `url` (streamable HTTP).

    `prefix` stands before the names of its tools. `tools`: the server's own names of those that may be used, None
    means all. `timeout`: seconds for one call. `approval`: True, or the server's own names of the tools whose calls a
    person must agree to. `outside`: what its tools are given leaves the house; `sensitive`: what they answer is not for
    strangers; each True, False, or the names of those tools. `permission`: the Django permission of who may call them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["stdio", "http", "streamable-http"] | None = None
    command: str | None = Field(None, min_length=1)
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = Field(None, pattern=r"^https?://\S+$")
    headers: dict[str, str] = {}
    prefix: str | None = Field(None, pattern=r"^([A-Za-z_][A-Za-z0-9_.\-]*)?$", max_length=40)
    tools: list[str] | None = None
    timeout: Annotated[float, Field(gt=0, strict=False)] | None = None
    approval: bool | list[str] = False
    outside: bool | list[str] = True
    sensitive: bool | list[str] = False
    permission: str | None = Field(None, pattern=r"^\w+\.\w+$")
    disabled: bool = False

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either 'command' (a program to start) or 'url' (an address to reach)")
        if self.type and (self.type == "stdio") != (self.command is not None):
            raise ValueError(f"type {self.type!r} goes with {'command' if self.type == 'stdio' else 'url'!r}")
        stray = ("headers",) if self.command else ("args", "env", "cwd")
        if given := [key for key in stray if key in self.model_fields_set]:
            raise ValueError(f"{given[0]!r} does not go with {'command' if self.command else 'url'!r}; take it away")
        return self

    def holds(self, rule: Literal["approval", "outside", "sensitive"], tool: str) -> bool:
        """Whether the rule is for this tool, by the server's own name of it."""
        said = getattr(self, rule)
        return said if isinstance(said, bool) else tool in said

    def prefix_for(self, name: str) -> str:
        """What stands before the names of its tools, if the server is called `name`."""
        if self.prefix is not None:
            return self.prefix
        cleaned = ILLEGAL.sub("_", name)[:40]
        return f"{cleaned if re.match('[A-Za-z_]', cleaned) else '_' + cleaned}_"


def read_file(path: Path | None, environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """`mcpServers` of a JSON file, variables filled in, and what is wrong with the file, in sentences.

    Never raises: it runs in the settings, where nobody could read the reason; a system check tells the sentences.
    """
    if path is None:
        return {}, []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return {}, [f"{path} cannot be read: {error.strerror}."]
    except ValueError as error:
        return {}, [f"{path} is no JSON: {error}."]
    servers = content.get("mcpServers") if isinstance(content, dict) else None
    if not isinstance(servers, dict):
        return {}, [f'{path} must be like {{"mcpServers": {{"name": {{"command": "…"}}}}}}.']
    missing: dict[str, None] = {}
    filled = _filled(servers, environment, missing)
    return filled, [f"{path} uses ${{{name}}}, which the environment does not have." for name in missing]


def _filled(value: Any, environment: Mapping[str, str], missing: dict[str, None]) -> Any:
    def variable(match: re.Match) -> str:
        found = environment.get(match[1], match[2])
        if found is None:
            missing[match[1]] = None
        return found or ""

    if isinstance(value, str):
        return VARIABLE.sub(variable, value)
    if isinstance(value, dict):
        return {key: _filled(item, environment, missing) for key, item in value.items()}
    return [_filled(item, environment, missing) for item in value] if isinstance(value, list) else value


def problems(raw: Any) -> list[str]:
    """What is wrong with one server's entry, as "key: what to mend"."""
    try:
        ServerConfig.model_validate(raw)
    except ValidationError as error:
        return [_problem(item) for item in error.errors(include_url=False, include_input=False)]
    return []


def _problem(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where!r} is not known (the keys are: {', '.join(ServerConfig.model_fields)})"
    reason = error["msg"].removeprefix("Value error, ")
    return f"{where!r}: {reason}" if where else reason


def configured(servers: Mapping[str, Any]) -> dict[str, ServerConfig]:
    """The servers to connect to: neither disabled nor wrong (which the system checks tell of)."""
    good = {name: ServerConfig.model_validate(raw) for name, raw in servers.items() if not problems(raw)}
    return {name: config for name, config in good.items() if not config.disabled}

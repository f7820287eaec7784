"""Which tools there are.

    @tool
    async def get_weather(city: str) -> dict:
        "The weather in a city now."

    registry.register(ToolDefinition(name=…, description=…, parameters={…}, handler=handle))

Every installed app's `tools.py` is imported at start-up, so a tool only has to stand there.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, overload

from . import arguments as _arguments
from .definition import ToolDefinition, place_of
from .exceptions import ToolDefinitionError

__all__ = ["ToolDefinition", "ToolSource", "all_tools", "get_tool", "register", "registry", "temporary_tools", "tool"]


class ToolSource(Protocol):
    """Tools that come and go at run time, such as those of an MCP server."""

    def tools(self, *, wait: bool) -> Iterable[ToolDefinition]:
        """All that are here now. `wait`: for those that are expected any moment; else it answers at once."""
        ...


class ToolRegistry:
    """Tools by name."""

    def __init__(self) -> None:
        self._tools: dict[str, ToolDefinition] = {}
        self._sources: list[ToolSource] = []
        self._report: Callable[[ToolDefinitionError, str], None] | None = None

    def register(self, definition: ToolDefinition) -> ToolDefinition:
        """Raises ToolDefinitionError if another tool has the name already."""
        if not isinstance(definition, ToolDefinition):
            raise ToolDefinitionError(f"register() takes a ToolDefinition, not {definition!r}.")
        other = self._tools.setdefault(definition.name, definition)
        if other is not definition:
            raise ToolDefinitionError(
                f"Two tools are called {definition.name!r}: {other.where} and {definition.where}. Rename one of them."
            )
        return definition

    def add_source(self, source: ToolSource) -> None:
        """Have its tools beside the registered ones, which win where a name is taken twice."""
        self._sources.append(source)

    def get(self, name: str) -> ToolDefinition | None:
        """Never waits: for the event loop."""
        if tool := self._tools.get(name):
            return tool
        return next((tool for tool in self._from_sources(wait=False) if tool.name == name), None)

    def all(self, *, wait: bool = False) -> list[ToolDefinition]:
        """Every tool, by name. `wait` for those that a source expects any moment: not in an event loop."""
        tools = {tool.name: tool for tool in self._from_sources(wait=wait)} | self._tools
        return [tools[name] for name in sorted(tools)]

    def _from_sources(self, *, wait: bool) -> Iterator[ToolDefinition]:
        for source in self._sources:
            yield from source.tools(wait=wait)

    @contextlib.contextmanager
    def collecting(self, report: Callable[[ToolDefinitionError, str], None]) -> Iterator[None]:
        """Functions that `@tool` cannot declare are left out, and reported with their file and line."""
        self._report = report
        try:
            yield
        finally:
            self._report = None

    def refuse(self, error: ToolDefinitionError, function: Callable[..., Any]) -> Callable[..., Any]:
        """Raises the error, unless all are collected: then the function stays what it is."""
        if self._report is None:
            raise error
        self._report(error, place_of(function))
        return function

    @contextlib.contextmanager
    def temporary(self, *definitions: ToolDefinition) -> Iterator[None]:
        """For tests: these tools, and all that are registered inside the block, are gone after it."""
        before, sources = dict(self._tools), list(self._sources)
        try:
            for definition in definitions:
                self.register(definition)
            yield
        finally:
            self._tools, self._sources = before, sources


registry = ToolRegistry()
register = registry.register
get_tool = registry.get
all_tools = registry.all
temporary_tools = registry.temporary


def define(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | Callable[[], str] | None = None,
    timeout: float | None = None,
    behavior: str | None = None,
    scheduling: str | None = None,
    permission: str | None = None,
    approval: bool = False,
    sensitive: bool = False,
    outside: bool = False,
    rate: str | None = None,
) -> ToolDefinition:
    """A function's definition, unregistered; `tool` is this and `register`."""
    name = name or str(getattr(function, "__name__", ""))
    arguments, context = _arguments.from_function(function, name)
    return ToolDefinition(
        name=name,
        description=description or _arguments.summary(function),
        parameters=arguments.schema,
        handler=function,
        timeout=timeout,
        behavior=behavior,
        scheduling=scheduling,
        permission=permission,
        approval=approval,
        sensitive=sensitive,
        outside=outside,
        rate=rate,
        arguments=arguments,
        context_parameter=context,
        by_name=True,
    )


@overload
def tool(function: Callable[..., Any], /) -> ToolDefinition: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | Callable[[], str] | None = None,
    timeout: float | None = None,
    behavior: str | None = None,
    scheduling: str | None = None,
    permission: str | None = None,
    approval: bool = False,
    sensitive: bool = False,
    outside: bool = False,
    rate: str | None = None,
) -> Callable[[Callable[..., Any]], ToolDefinition]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Register an async or plain function as a tool, bare (`@tool`) or with options (`@tool(timeout=6)`).

    The name is the function's, the description its docstring, the parameters its annotated parameters.
    """
    if function is None:
        return lambda function: _declare(function, options)
    return _declare(function, options)


def _declare(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    try:
        if unknown := options.keys() - define.__kwdefaults__.keys():
            known = ", ".join(define.__kwdefaults__)
            raise ToolDefinitionError(f"@tool has no option {min(unknown)!r}; its options are: {known}.")
        return register(define(function, **options))
    except ToolDefinitionError as error:
        return registry.refuse(error, function)

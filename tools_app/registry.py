"""Which tools there are.

    @tool
    async def get_weather(city: str) -> dict:
        "The weather in a city now."

    registry.register(ToolDefinition(name=…, description=…, parameters={…}, handler=handle))

Every installed app's `tools.py` is imported at start-up, so a tool only has to stand there.
"""

import contextlib
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, overload

from . import arguments as _arguments
from .arguments import Arguments
from .context import ToolContext
from .exceptions import ToolDefinitionError

# https://ai.google.dev/api/caching#FunctionDeclaration
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
BEHAVIORS = ("BLOCKING", "NON_BLOCKING")
# https://ai.google.dev/api/caching#FunctionResponse
SCHEDULINGS = ("INTERRUPT", "WHEN_IDLE", "SILENT")


@dataclass(frozen=True)
class ToolDefinition:
    """One tool. Checks itself when made; raises ToolDefinitionError with a sentence that says what to mend.

    `handler` is an async or plain function of one `args: dict`, and `parameters` the JSON schema of that dict.
    (`@tool` fills both in from a signature.) A plain function runs in a thread of its own.
    `description` may be a function that is asked whenever the tool is declared, for what only shows at run time.
    `timeout` is in seconds; None means `settings.TOOLS_TIMEOUT`.
    `behavior`: whether the model waits for the answer ("BLOCKING") or talks on ("NON_BLOCKING"); None leaves it to the
    model, and so does a model that cannot do what is asked for.
    `scheduling`: when the model speaks of an answer that it has not waited for: at once ("INTERRUPT"), when nobody
    speaks ("WHEN_IDLE"), or never ("SILENT"); None leaves it to the model.
    """

    _: KW_ONLY
    name: str
    description: str | Callable[[], str]
    parameters: Mapping[str, Any]
    handler: Callable[..., Any]
    timeout: float | None = None
    behavior: str | None = None
    scheduling: str | None = None
    arguments: Arguments = field(default=None, repr=False, compare=False)  # type: ignore[assignment]
    context_parameter: str | None = field(default=None, repr=False, compare=False)
    by_name: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ToolDefinitionError(
                f"{self.name!r} is no tool name: start with a letter or underscore, go on with letters, digits, "
                "'_', '.' or '-', 64 characters at most."
            )
        if not callable(self.handler):
            raise ToolDefinitionError(f"Tool {self.name!r}: handler must be a function, not {self.handler!r}.")
        if not callable(self.description) and not (isinstance(self.description, str) and self.description.strip()):
            raise ToolDefinitionError(
                f"Tool {self.name!r} has no description; the model chooses tools by it. "
                "Write a docstring or pass description=."
            )
        if self.timeout is not None and not self.timeout > 0:
            raise ToolDefinitionError(f"Tool {self.name!r}: timeout must be seconds above 0, not {self.timeout!r}.")
        for option, known in (("behavior", BEHAVIORS), ("scheduling", SCHEDULINGS)):
            value = getattr(self, option)
            if value is not None and value not in known:
                raise ToolDefinitionError(
                    f"Tool {self.name!r}: {option} must be one of {', '.join(known)}, not {value!r}."
                )
        if self.arguments is None:
            found = _arguments.from_json_schema(self.parameters, self.name)
            object.__setattr__(self, "arguments", found)
            object.__setattr__(self, "parameters", found.schema)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself: a decorated tool stays an ordinary function for its own app and tests."""
        return self.handler(*args, **kwargs)

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.handler) or inspect.iscoroutinefunction(
            getattr(self.handler, "__call__", None)  # noqa: B004  an object with an async __call__
        )

    @property
    def where(self) -> str:
        """Module and function, for people who look for it."""
        function = inspect.unwrap(self.handler)
        return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"

    def declaration(self) -> dict[str, Any]:
        """`{"name", "description", "parameters"}`, as REST and the SDK's `parameters_json_schema` take it.

        Beside them `behavior` and `scheduling`, where the tool has them.
        """
        description = self.description() if callable(self.description) else self.description
        declared = {"name": self.name, "description": description, "parameters": self.arguments.schema}
        options = {"behavior": self.behavior, "scheduling": self.scheduling}
        return declared | {option: value for option, value in options.items() if value is not None}

    def bind(self, args: Any, context: ToolContext) -> Callable[[], Any | Awaitable[Any]]:
        """The call that these arguments ask for, ready to be made. Raises ToolError for wrong arguments."""
        values = self.arguments.validate(self.name, args)
        if not self.by_name:
            return functools.partial(self.handler, values.model_dump(by_alias=True, exclude_unset=True))
        keywords = {name: values.__dict__[name] for name in self.arguments.model.model_fields}
        if self.context_parameter:
            keywords[self.context_parameter] = context
        return functools.partial(self.handler, **keywords)


class ToolRegistry:
    """Tools by name."""

    def __init__(self) -> None:
        self._tools: dict[str, ToolDefinition] = {}

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

    def get(self, name: str) -> ToolDefinition | None:
        return self._tools.get(name)

    def all(self) -> list[ToolDefinition]:
        """Every tool, by name."""
        return [self._tools[name] for name in sorted(self._tools)]

    @contextlib.contextmanager
    def temporary(self, *definitions: ToolDefinition) -> Iterator[None]:
        """For tests: these tools, and all that are registered inside the block, are gone after it."""
        before = dict(self._tools)
        try:
            for definition in definitions:
                self.register(definition)
            yield
        finally:
            self._tools = before


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
) -> Callable[[Callable[..., Any]], ToolDefinition]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Register an async or plain function as a tool, bare (`@tool`) or with options (`@tool(timeout=6)`).

    The name is the function's, the description its docstring, the parameters its annotated parameters.
    """
    if function is None:
        return lambda function: register(define(function, **options))
    return register(define(function, **options))

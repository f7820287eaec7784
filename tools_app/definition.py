"""One tool: what the model is told of it, what it takes, who may have it run, and the function behind it."""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from django.utils.text import Truncator

from . import arguments as _arguments
from .arguments import Arguments
from .context import ToolContext
from .exceptions import ToolDefinitionError

# https://ai.google.dev/api/caching#FunctionDeclaration
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
BEHAVIORS = ("BLOCKING", "NON_BLOCKING")
# https://ai.google.dev/api/caching#FunctionResponse
SCHEDULINGS = ("INTERRUPT", "WHEN_IDLE", "SILENT")
PERMISSION = re.compile(r"\w+\.\w+")
# As Django REST framework writes its throttles: a number, and the first letter of second, minute, hour or day.
RATE = re.compile(r"([1-9]\d{0,8})/(s|m|h|d)[a-z]*")
PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def place_of(function: Any) -> str:
    """File and line of a function, or of an object that can be called; empty where Python does not know.

    A function that stands for something elsewhere says so in an attribute `place`.
    """
    if place := getattr(function, "place", ""):
        return str(place)
    function = inspect.unwrap(function) if callable(function) else function
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


@dataclass(frozen=True)
class ToolDefinition:
    """One tool. Checks itself when made; raises ToolDefinitionError with a sentence that says what to mend.

    `handler` is an async or plain function of one `args: dict`, and `parameters` the JSON schema of that dict.
    (`@tool` fills both in from a signature.) A plain function runs in a thread of its own; an async generator's values
    are told one by one.
    `description` may be a function that is asked whenever the tool is declared, for what only shows at run time.
    `timeout` is in seconds; None means `settings.TOOLS_TIMEOUT`.
    `behavior`: whether the model waits for the answer ("BLOCKING") or talks on ("NON_BLOCKING"); None leaves it to the
    model, and so does a model that cannot do what is asked for.
    `scheduling`: when the model speaks of an answer that it has not waited for: at once ("INTERRUPT"), when nobody
    speaks ("WHEN_IDLE"), or never ("SILENT"); None leaves it to the model.
    `permission`: the Django permission ("shop.view_order") that the session's user must have.
    `approval`: a person must agree to each call, with these arguments, before it runs.
    `sensitive`: its results are not for strangers; once it has run in a session, each call of a tool with `outside`
    (what it is given leaves the house) needs an approval there, too.
    `rate`: calls that one user (without an account: one session) may make, such as "10/m"; s, m, h and d are known.
    """

    _: KW_ONLY
    name: str
    description: str | Callable[[], str]
    parameters: Mapping[str, Any]
    handler: Callable[..., Any]
    timeout: float | None = None
    behavior: str | None = None
    scheduling: str | None = None
    permission: str | None = None
    approval: bool = False
    sensitive: bool = False
    outside: bool = False
    rate: str | None = None
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
        if self.permission is not None and not PERMISSION.fullmatch(str(self.permission)):
            raise ToolDefinitionError(
                f"Tool {self.name!r}: permission must be like 'shop.view_order' (app, dot, codename), "
                f"not {self.permission!r}."
            )
        if self.rate is not None and not RATE.fullmatch(str(self.rate)):
            raise ToolDefinitionError(
                f"Tool {self.name!r}: rate must be a number of calls in a second, minute, hour or day, "
                f"such as '10/m', not {self.rate!r}."
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
    def streams(self) -> bool:
        """An async generator: each value that it yields is told at once, where the model can hear of it."""
        return inspect.isasyncgenfunction(self.handler) or inspect.isasyncgenfunction(
            getattr(self.handler, "__call__", None)  # noqa: B004  an object with such a __call__
        )

    @property
    def allowance(self) -> tuple[int, int] | None:
        """(calls, seconds) of `rate`."""
        if self.rate is None:
            return None
        calls, period = RATE.fullmatch(self.rate).groups()  # type: ignore[union-attr]  checked when made
        return int(calls), PERIODS[period]

    @property
    def where(self) -> str:
        """Module and function, for people who look for it."""
        function = inspect.unwrap(self.handler)
        return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"

    @property
    def place(self) -> str:
        """File and line of the function, for a person to open."""
        return place_of(self.handler) or self.where

    @property
    def purpose(self) -> str:
        """What it does, for people: the first sentence of its description, without a full stop."""
        sentence = self.declaration()["description"].partition("\n")[0].partition(". ")[0]
        return Truncator(sentence.rstrip(".")).chars(120)

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

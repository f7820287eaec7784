import pytest

from tools_app.context import ToolContext
from tools_app.exceptions import ToolDefinitionError, ToolError
from tools_app.registry import ToolDefinition, ToolRegistry, define, get_tool, registry, temporary_tools, tool

CONTEXT = ToolContext(session_id=None, user_id=7, call_id="call-1")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def definition(name="greet", **changes):
    options = {"name": name, "description": "Greets.", "parameters": CITY, "handler": lambda args: args} | changes
    return ToolDefinition(**options)


def test_the_seeds_five_tools_are_found_at_start_up():
    assert {
        *("execute_sql_query", "get_analytics", "search_knowledge_base", "call_external_api", "get_weather"),
    } <= {found.name for found in registry.all()}


@pytest.mark.parametrize("name", ["a", "_x", "get.it-now_2", "x" * 64])
def test_gemini_takes_these_names(name):
    assert definition(name).declaration()["name"] == name


@pytest.mark.parametrize("name", ["", "2fast", "with space", "x" * 65, "naïve", "a\n", None])
def test_a_wrong_name_is_refused_in_a_sentence(name):
    with pytest.raises(ToolDefinitionError, match="is no tool name: start with a letter"):
        definition(name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"description": " "}, "has no description"),
        ({"handler": "greet"}, "handler must be a function"),
        ({"timeout": 0}, "timeout must be seconds above 0"),
        ({"behavior": "ASYNC"}, "behavior must be one of BLOCKING, NON_BLOCKING, not 'ASYNC'"),
        ({"behavior": ["BLOCKING"]}, "behavior must be one of BLOCKING, NON_BLOCKING, not"),
        ({"scheduling": "silent"}, "scheduling must be one of INTERRUPT, WHEN_IDLE, SILENT, not 'silent'"),
        ({"permission": "view_order"}, "permission must be like 'shop.view_order'"),
        ({"permission": "shop.view order"}, "permission must be like 'shop.view_order'"),
        ({"rate": "10 per minute"}, "rate must be a number of calls"),
        ({"rate": "0/m"}, "rate must be a number of calls"),
        ({"rate": 10}, "rate must be a number of calls"),
        ({"parameters": {"type": "string"}}, "JSON schema of type 'object'"),
        ({"parameters": None}, "JSON schema of type 'object'"),
        ({"parameters": {"type": "object", "properties": {"x": {"type": "text"}}}}, "'text' is no type"),
        ({"parameters": {"type": "object", "properties": {"x": "string"}}}, "is no JSON schema"),
        ({"parameters": {"type": "object", "properties": {}, "required": ["y"]}}, "'required' names 'y'"),
    ],
)
def test_a_wrong_definition_is_refused_in_a_sentence(changes, sentence):
    with pytest.raises(ToolDefinitionError, match=sentence):
        definition(**changes)


def test_behaviour_and_scheduling_are_declared_where_a_tool_has_them():
    assert set(definition().declaration()) == {"name", "description", "parameters"}
    assert definition(scheduling="SILENT").declaration()["scheduling"] == "SILENT"
    with temporary_tools():

        @tool(behavior="NON_BLOCKING", scheduling="WHEN_IDLE")
        def report() -> str:
            """Writes a report."""
            return "done"

        declared = report.declaration()
        assert (declared["behavior"], declared["scheduling"]) == ("NON_BLOCKING", "WHEN_IDLE")


def test_two_tools_of_one_name_are_refused_and_both_are_named():
    def first(args): ...
    def second(args): ...

    tools = ToolRegistry()
    tools.register(definition(handler=first))
    with pytest.raises(ToolDefinitionError, match=r"first and .*second\. Rename one"):
        tools.register(definition(handler=second))


def test_temporary_tools_take_everything_registered_inside_with_them():
    with temporary_tools(definition("one")):

        @tool
        def two() -> str:
            """Says two."""
            return "2"

        assert get_tool("one")
        assert get_tool("two") is two
        assert two() == "2"
    assert get_tool("one") is None
    assert get_tool("two") is None
    assert get_tool("get_weather")


def test_options_win_over_the_function():
    with temporary_tools():

        @tool(name="other", description="Does other things.", timeout=3)
        def original() -> None:
            """Docstring."""

    assert (original.name, original.description, original.timeout) == ("other", "Does other things.", 3)


def test_a_description_may_be_asked_for_late():
    told = iter(["first", "second"])
    found = definition(description=lambda: next(told))
    assert [found.declaration()["description"] for _ in range(2)] == ["first", "second"]


def test_a_classic_handler_gets_its_arguments_as_one_dict():
    call = definition().bind({"city": "Rome"}, CONTEXT)
    assert call() == {"city": "Rome"}


def test_a_tool_gets_its_context_and_the_model_does_not_see_it():
    def who(context: ToolContext, loud: bool = False) -> str:
        """Who asks."""
        return f"{context.user_id} {context.call_id} {loud}"

    found = define(who)
    assert list(found.declaration()["parameters"]["properties"]) == ["loud"]
    assert found.bind({"loud": "true"}, CONTEXT)() == "7 call-1 True"
    with pytest.raises(ToolError, match="'context' is not an argument"):
        found.bind({"context": {"user_id": 1}}, CONTEXT)


@pytest.mark.parametrize(
    ("rate", "allowance"),
    [("10/m", (10, 60)), ("1/second", (1, 1)), ("100/hour", (100, 3600)), ("3/day", (3, 86_400)), (None, None)],
)
def test_a_rate_is_so_many_calls_in_so_many_seconds(rate, allowance):
    assert definition(rate=rate).allowance == allowance


class Source:
    """Tools that are only there when one waits for them."""

    def __init__(self, *names: str):
        self.names = names

    def tools(self, *, wait: bool):
        return [definition(name) for name in self.names] if wait else []


def test_tools_of_a_source_stand_beside_the_registered_ones_which_win():
    registered = definition("both")
    own = ToolRegistry()
    own.register(registered)
    own.add_source(Source("both", "theirs"))
    assert [found.name for found in own.all()] == ["both"]
    assert [found.name for found in own.all(wait=True)] == ["both", "theirs"]
    assert own.all(wait=True)[0] is registered
    assert own.get("theirs") is None  # it never waits
    with own.temporary():
        own.add_source(Source("more"))
    assert [found.name for found in own.all(wait=True)] == ["both", "theirs"]

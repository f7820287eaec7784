"""Wrong tools are found by `manage.py check`, in a process of its own with an app of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.server import ROOT
from tests.waiting import GIVE_UP_SECONDS
from tools_app.checks import check_tools
from tools_app.registry import ToolDefinition, temporary_tools, tool


def check(folder: Path, tools: str) -> subprocess.CompletedProcess:
    """`manage.py check` of a project with an app `shop` that has these tools."""
    app = folder / "shop"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "tools.py").write_text(textwrap.dedent(tools))
    (folder / "shop_settings.py").write_text(
        "from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'shop']\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "shop_settings", "PYTHONPATH": f"{folder}:{ROOT}"}
    command = [sys.executable, "manage.py", "check"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=GIVE_UP_SECONDS)


WRONG = '''
    import datetime
    from tools_app.registry import tool

    @tool
    def without_annotation(number):
        """Finds."""

    @tool(timout=3)
    def misspelt(number: int) -> int:
        """Finds."""

    @tool
    def undescribed(number: int) -> int:
        return number

    @tool(rate="ten a minute", permission="view")
    def two(number: int) -> int:
        """Finds."""

    @tool
    def plain_generator():
        """Finds."""
        yield 1

    @tool(permission="nowhere.view_order")
    def unknown_app() -> int:
        """Finds."""

    @tool
    def right(day: datetime.date) -> int:
        """Finds."""
'''


def test_every_wrong_tool_is_named_with_file_line_and_mend_and_the_right_ones_stay(tmp_path):
    result = check(tmp_path, WRONG)
    assert result.returncode == 1
    told = result.stderr
    place = tmp_path / "shop" / "tools.py"
    assert f"{place}:5: Tool 'without_annotation': parameter 'number' has no annotation; give it one" in told
    assert f"{place}:9: @tool has no option 'timout'; its options are: name, description, timeout" in told
    assert f"{place}:13: Tool 'undescribed' has no description" in told
    assert f"{place}:17: Tool 'two': permission must be like 'shop.view_order'" in told
    assert f"{place}:21: tool 'plain_generator' is a plain generator" in told
    assert f"{place}:26: tool 'unknown_app' wants the permission 'nowhere.view_order'" in told
    assert told.count("(gemlive.E010)") == 4
    assert "right" not in told
    assert "Traceback" not in told


def test_a_definition_that_is_made_by_hand_is_named_by_the_line_that_makes_it(tmp_path):
    result = check(
        tmp_path,
        """
        from tools_app.registry import ToolDefinition, registry

        registry.register(
            ToolDefinition(name="wrong name", description="d", parameters={}, handler=print)
        )
        """,
    )
    assert result.returncode == 1
    assert f"{tmp_path / 'shop' / 'tools.py'}:5: 'wrong name' is no tool name" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_tools_of_one_name_are_told_with_both_places(tmp_path):
    result = check(
        tmp_path,
        '''
        from tools_app.registry import tool

        @tool
        def get_weather(city: str) -> str:
            """Weather."""
        ''',
    )
    assert result.returncode == 1
    assert "Two tools are called 'get_weather'" in result.stderr
    assert "shop.tools.get_weather" in result.stderr


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "string", "enum": ["a", 1]}, "its choices are of different types"),
        ({"type": "array", "items": {"type": "string", "enum": [1, "b"]}}, "numbers[]: its choices"),
    ],
)
def test_a_schema_that_gemini_would_refuse_is_found(schema, complaint):
    parameters = {"type": "object", "properties": {"numbers": schema}}
    with temporary_tools(ToolDefinition(name="odd", description="d", parameters=parameters, handler=lambda args: 1)):
        [error] = check_tools(None)
    assert error.id == "gemlive.E011"
    assert complaint in error.msg
    assert error.msg.startswith(f"{__file__}:")


def test_more_tools_than_gemini_takes_are_a_warning():
    with temporary_tools():
        for number in range(130):
            tool(name=f"tool_{number}", description="d")(lambda: 1)
        assert [found.id for found in check_tools(None)] == ["gemlive.W012"]

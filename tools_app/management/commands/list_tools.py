"""Which tools there are, as the model is told of them."""

import json
import textwrap
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tools_app.definition import ToolDefinition
from tools_app.registry import registry


class Command(BaseCommand):
    help = "List the registered tools: what each takes, who may use it, where it is defined."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the declarations, as JSON")

    def handle(self, *, json: bool, **options: Any) -> None:
        tools = registry.all(wait=True)
        if json:
            self._as_json(tools)
            return
        for tool in tools:
            self.stdout.write(self.style.MIGRATE_HEADING(f"{tool.name}({_parameters(tool)})"))
            description = str(tool.declaration()["description"])
            self.stdout.write(textwrap.indent(textwrap.shorten(description, 240, placeholder=" …"), "    "))
            self.stdout.write("    " + " · ".join([*_options(tool), tool.place]))
        self.stdout.write(f"{len(tools)} tools. Try one: python manage.py call_tool NAME '{{json}}'")

    def _as_json(self, tools: list[ToolDefinition]) -> None:
        self.stdout.write(json.dumps([tool.declaration() for tool in tools], indent=2, ensure_ascii=False))


def _parameters(tool: ToolDefinition) -> str:
    required = tool.arguments.schema.get("required", ())
    return ", ".join(name if name in required else f"{name}?" for name in tool.arguments.schema["properties"])


def _options(tool: ToolDefinition) -> list[str]:
    told = {"timeout": tool.timeout, "permission": tool.permission, "rate": tool.rate, "behavior": tool.behavior}
    marks = {"asks for approval": tool.approval, "sensitive": tool.sensitive, "outside": tool.outside}
    return [f"{name} {value}" for name, value in told.items() if value is not None] + [
        mark for mark, is_set in marks.items() if is_set
    ]

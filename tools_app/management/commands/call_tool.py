"""Runs one tool as the model would."""

import asyncio
import json
import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tools_app.executor import ToolExecutor, ToolOutcome
from tools_app.registry import registry


class Command(BaseCommand):
    help = (
        "Call a tool as the model would, with the same checks, and print the JSON that the model would get. "
        "Exits with 1 if the call does not end well. The call is kept, as every other."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the tool, as list_tools has it")
        parser.add_argument("arguments", nargs="?", default="{}", help='a JSON object, such as \'{"city": "Rome"}\'')
        parser.add_argument("--user", help="the name of the user who asks; without it nobody is logged in")
        parser.add_argument("--approve", action="store_true", help="agree to a call that wants an approval")

    def handle(self, *, name: str, arguments: str, user: str | None, approve: bool, **options: Any) -> None:
        try:
            args = json.loads(arguments)
        except ValueError as error:
            raise CommandError(
                f'The arguments are no JSON ({error}). Quote them: call_tool {name} \'{{"key": "value"}}\''
            ) from None
        registry.all(wait=True)  # an MCP server's tools come in a moment
        caller = _Terminal(self, name, args, approve)
        outcome = asyncio.run(self._call(name, args, self._user_id(user), caller))
        self.stdout.write(json.dumps(outcome.response, indent=2, ensure_ascii=False))
        if outcome.status != "ok":
            sys.exit(1)

    def _user_id(self, username: str | None) -> int | None:
        if username is None:
            return None
        users = get_user_model()
        try:
            return users._default_manager.get_by_natural_key(username).pk
        except users.DoesNotExist:
            raise CommandError(f"There is no user called {username!r}.") from None

    async def _call(self, name: str, args: Any, user_id: int | None, caller: "_Terminal") -> ToolOutcome:
        executor = ToolExecutor(session_id=None, user_id=user_id, allowed=None)
        outcome = await executor.call("call_tool", name, args, caller)
        await executor.close()
        return outcome


class _Terminal:
    """The person at the command line, who hears of the call on standard error."""

    def __init__(self, command: Command, name: str, args: Any, approve: bool):
        self._tell = command.stderr.write
        self._question = f"{name}({json.dumps(args, ensure_ascii=False)})"
        self._agrees = approve

    async def approve(self) -> bool:
        if self._agrees:
            return True
        if not sys.stdin.isatty():
            self._tell(f"{self._question} wants an approval: call it again with --approve.")
            return False
        answer = await asyncio.to_thread(input, f"Run {self._question}? [y/N] ")
        return answer.strip().lower() in ("y", "yes")

    def progress(self, text: str) -> None:
        self._tell(text, lambda line: line)

    def part(self, value: Any) -> None:
        self._tell(json.dumps(value, ensure_ascii=False), lambda line: line)

"""Somebody who types questions with a number in each, and keeps all that he is told, in its order."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.processes import call, create, until
from tests.server import Server
from tests.waiting import GIVE_UP_SECONDS


class Talker:
    """Each question has the answer `number`, by a tool, and is one turn: the numbers say what was kept in which order.

    `told`: every message of the server, as JSON, and whatever the test puts between them.
    """

    def __init__(self, socket: Any, session_id: str):
        self.session_id = session_id
        self.asked: list[int] = []
        self.told: list[Any] = []
        self._socket = socket
        self._news = asyncio.Event()
        self.listening = asyncio.create_task(self._listen())
        """Done when the server has gone."""

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._socket:
                self.told.append(json.loads(frame))
                self._news.set()

    async def ask(self, number: int) -> None:
        """Returns when the whole reply was heard; whether it is saved is another matter."""
        turns = self.count("turn", state="generated")
        self.asked.append(number)
        await self._socket.send(json.dumps({"type": "text", "data": {"text": question(number)}}))
        await self.until(lambda: self.count("turn", state="generated") > turns)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def count(self, kind: str, **data: Any) -> int:
        return len(self.positions(kind, **data))

    def positions(self, kind: str, **data: Any) -> list[int]:
        """Where in `told` such messages stand."""
        return [
            place
            for place, message in enumerate(self.told)
            if isinstance(message, dict) and message["type"] == kind and message.get("data", {}).items() >= data.items()
        ]

    @property
    def finals(self) -> list[int]:
        """Where he was told that a turn is final."""
        return self.positions("transcription", isUser=False, isFinal=True)


@contextlib.asynccontextmanager
async def talking(server: Server) -> AsyncIterator[Talker]:
    """A conversation that is connected, in a session of its own."""
    session_id = await create(server)
    async with call(server, session_id, seconds=None) as socket:
        await socket.send('{"type": "connect"}')
        await until(socket, "status", status="CONNECTED")
        talker = Talker(socket, session_id)
        try:
            yield talker
        finally:
            talker.listening.cancel()


def question(number: int) -> str:
    return f"run sql SELECT {number}"


def answer(number: int) -> str:
    return f"The query returned 1 rows. The first begins with {number}."


def saved(connection: Any, session_id: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What a database has of a session, by its own driver: (role, text) and (status, arguments), in their order."""
    mine = session_id.replace("-", "")

    def rows(query: str) -> list[tuple]:
        found = connection.execute(query).fetchall()
        return [tuple(row[1:]) for row in found if str(row[0]).replace("-", "") == mine]

    entries = rows("SELECT session_id, sequence, role, text FROM sessions_app_transcriptentry ORDER BY sequence")
    assert [sequence for sequence, *_ in entries] == list(range(1, len(entries) + 1))
    calls = rows("SELECT session_id, status, arguments FROM tools_app_toolcall ORDER BY id")
    parsed = [(status, args if isinstance(args, dict) else json.loads(args)) for status, args in calls]
    return [(role, text) for _, role, text in entries], [(status, args["query"]) for status, args in parsed]


def turns(numbers: list[int]) -> list[tuple[str, str]]:
    """The transcript of these questions."""
    return [said for number in numbers for said in (("user", question(number)), ("model", answer(number)))]


def calls(numbers: list[int]) -> list[tuple[str, str]]:
    """The tool calls of these questions."""
    return [("ok", f"SELECT {number}") for number in numbers]


def make_shop(environment: dict[str, str]) -> None:
    """The database that the questions read: a file without a table is enough."""
    with contextlib.closing(sqlite3.connect(environment["DEMO_DATABASE_URL"].removeprefix("sqlite:///"))) as shop:
        shop.execute("PRAGMA user_version = 1")

"""One MCP server, kept connected: listed, called, and connected anew when it is lost."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client, MCPError, types
from pydantic import ValidationError

from tools_app.definition import ToolDefinition
from tools_app.exceptions import ToolError

from . import definitions
from .config import ServerConfig
from .http import http_transport
from .stdio import stdio_transport

if TYPE_CHECKING:
    from .source import McpTools

logger = logging.getLogger("tools_app.mcp")

CONNECT_SECONDS = 30.0
LIST_SECONDS = 15.0
# Between looks at a server that says nothing: is it there, has it other tools?
LOOK_SECONDS = 60.0
# A server that tells of changes all the time is not asked all the time.
RELIST_PAUSE = 0.5
FIRST_DELAY, LONGEST_DELAY = 0.25, 60.0
# A connection of so many seconds was a good one: the next is tried at once.
GOOD_SECONDS = 10.0
# What a call waits for a server that is away.
WAIT_SECONDS = 3.0
MAX_PAGES = 100
# One message. Beyond it the connection is ended; what a model gets is cut far below.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_REMEMBERED_LINES = 500


class Server:
    """`tools` are the definitions of what it last told; they stay while it is away. Lives in McpTools' thread."""

    def __init__(self, name: str, config: ServerConfig, home: "McpTools"):
        self.name = name
        self.tools: list[ToolDefinition] = []
        self.settled = threading.Event()  # its first connection stands, or has failed
        self._config = config
        self._home = home
        self._said: set[str] = set()
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._wanted = asyncio.Event()  # a call waits for it
        self._look = asyncio.Event()
        self._lost: str | None = None
        self._forgotten: Client | None = None
        self._calls = 0

    def say(self, line: str) -> None:
        """To the log, each line once."""
        if line not in self._said and len(self._said) < MAX_REMEMBERED_LINES:
            self._said.add(line)
            logger.warning("MCP server %r %s", self.name, line)

    async def keep(self) -> None:
        """Connects again and again, until it is cancelled."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            started = loop.time()
            try:
                reason = await self._connection()
            except Exception as error:
                reason = f"failed: {_first(error)}"
            failures = 0 if loop.time() - started > GOOD_SECONDS else failures + 1
            delay = min(FIRST_DELAY * 2**failures, LONGEST_DELAY) if failures else 0.0
            logger.warning("MCP server %r %s; it is tried again in %.1f s", self.name, reason, delay)
            self.settled.set()
            await asyncio.sleep(min(delay, 1.0))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, delay - 1.0)):
                    await self._wanted.wait()
            self._wanted.clear()

    async def call(self, tool: str, args: dict[str, Any]) -> Any:
        """What the server's tool answers. Raises ToolError if there is nothing.

        Cancelled, it cancels the call at the server, too: the SDK sends `notifications/cancelled`.
        """
        for last in (False, True):
            client = await self._there()
            self._calls += 1
            try:
                # Not client.call_tool(): that checks the answer against the server's schema, patterns and all.
                request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=args))
                return definitions.result(await client.session.send_request(request, types.CallToolResult))
            except MCPError as error:
                if client is self._forgotten and not last:
                    continue  # the call was not run
                if error.code == types.CONNECTION_CLOSED:
                    if client is self._client:
                        self._lose("is lost")
                    raise self._unreachable() from None
                raise ToolError(f"The MCP server {self.name!r} refused the call: {error.message}") from None
            except ValidationError:
                raise ToolError(f"The MCP server {self.name!r} answered what is no MCP; tell the user.") from None
            except (anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError):
                raise self._unreachable() from None
            finally:
                self._calls -= 1
        raise self._unreachable()

    async def _there(self) -> Client:
        if self._client is None:
            self._wanted.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._connected.wait()
        if self._client is None:
            raise self._unreachable()
        return self._client

    def _unreachable(self) -> ToolError:
        return ToolError(f"The MCP server {self.name!r} cannot be reached just now; try again in a minute.")

    async def _connection(self) -> str:
        """One connection to its end, and why it ended."""
        self._lost = None
        self._look.clear()
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await stack.enter_async_context(
                    Client(self._transport(), message_handler=self._hear, cache=None)
                )
                await self._list(client)
            listening = asyncio.create_task(self._listen(client))
            try:
                self._client = client
                self._connected.set()
                self.settled.set()
                logger.info("MCP server %r is connected, with %d tools", self.name, len(self.tools))
                while not self._lost:
                    await self._until_told()
                    if not self._lost:
                        async with asyncio.timeout(LIST_SECONDS):
                            await self._list(client)
                        await asyncio.sleep(RELIST_PAUSE)
            finally:
                self._client = None
                self._connected.clear()
                listening.cancel()
                await asyncio.wait({listening})
        return self._lost

    def _transport(self) -> Any:
        config = self._config
        if config.url:
            return http_transport(config.url, config.headers, MAX_MESSAGE_BYTES, self._forget)
        command = [str(config.command), *config.args]
        return stdio_transport(command, config.env, config.cwd, MAX_MESSAGE_BYTES, self._log, self._lose)

    def _log(self, line: str) -> None:
        logger.info("MCP server %r: %s", self.name, line)

    def _lose(self, reason: str) -> None:
        self._client = None
        self._connected.clear()
        self._lost = self._lost or reason
        self._look.set()

    def _forget(self) -> None:
        """It was started anew, and does not know our session."""
        self._forgotten = self._client or self._forgotten
        self._lose("has forgotten the session")

    async def _until_told(self) -> None:
        """That the tools changed, or that it is lost; or until it is time to look by ourselves."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look.wait()
            # One that is at work may be too busy to answer.
            if self._look.is_set() or not self._calls:
                self._look.clear()
                return

    async def _hear(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._look.set()

    async def _listen(self, client: Client) -> None:
        """From protocol version 2026-07-28 on changes are only told to those who ask for them."""
        capabilities = client.server_capabilities.tools
        if client.session.discover_result is None or not (capabilities and capabilities.list_changed):
            return
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._look.set()
        except Exception as error:
            self._lose(f"is lost ({_first(error)})")
        else:
            self._lose("has ended the connection")

    async def _list(self, client: Client) -> None:
        listed: list[types.Tool] = []
        cursor = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        else:
            self.say(f"lists its tools on more than {MAX_PAGES} pages; the rest is left out")
        self.tools = definitions.definitions(self.name, self._config, listed, self._handler, self.say)
        self._home.changed()

    def _handler(self, tool: str) -> Callable[[dict[str, Any]], Any]:
        async def call(args: dict[str, Any]) -> Any:
            return await self._home.run(self.call(tool, args))

        call.place = f"MCP server {self.name!r}"  # type: ignore[attr-defined]  what definition.place_of() looks for
        return call


def _first(error: BaseException) -> str:
    """The reason inside of an exception group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(error)[:200] or type(error).__name__

"""What the registry asks for the tools of MCP servers: a ready list, kept by a thread with an event loop of its own."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from tools_app.definition import ToolDefinition
from tools_app.exceptions import ToolError

from .config import ServerConfig

if TYPE_CHECKING:
    from .server import Server

logger = logging.getLogger("tools_app.mcp")
T = TypeVar("T")

# What the first to ask wait for servers that start; who asks later waits for no one.
FIRST_ANSWER_SECONDS = 5.0
CLOSE_SECONDS = 10.0


class McpTools:
    """A ToolSource: the tools of all configured servers.

    Nothing is connected, and no thread runs, before somebody asks with `wait=True`.
    """

    def __init__(self, servers: Mapping[str, ServerConfig]):
        self._configs = servers
        self._lock = threading.Lock()
        self._started = False
        self._deadline = 0.0
        self._tools: Sequence[ToolDefinition] = ()
        self._servers: list[Server] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: list[asyncio.Task] = []

    def tools(self, *, wait: bool) -> Sequence[ToolDefinition]:
        """Those that the servers last told of. `wait`: a few seconds, once, for servers that have only just started."""
        if wait:
            self._start()
            for server in self._servers:
                server.settled.wait(max(0.0, self._deadline - time.monotonic()))
        return self._tools

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the thread do this, from whatever event loop; a cancellation goes across."""
        if self._loop is None or self._loop.is_closed():
            work.close()
            raise ToolError("This server is stopping; try again in a minute.")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """End the servers' processes and the thread. A process that simply ends needs no close (see stdio.py)."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread and self._loop:
            with contextlib.suppress(RuntimeError):  # its loop has ended by itself
                self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])
            thread.join(CLOSE_SECONDS)

    def _start(self) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
            try:
                from .server import Server
            except ImportError as error:
                logger.error("No MCP server is used (%s): pip install -r requirements-mcp.txt", error)
                return
            self._servers = [Server(name, config, self) for name, config in self._configs.items()]
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._keep, args=(self._loop,), name="mcp", daemon=True)
            self._thread.start()
            self._deadline = time.monotonic() + FIRST_ANSWER_SECONDS

    def _keep(self, loop: asyncio.AbstractEventLoop) -> None:
        async def keep() -> None:
            self._tasks = [asyncio.create_task(server.keep(), name=f"mcp {server.name}") for server in self._servers]
            await asyncio.wait(self._tasks)

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(keep())

    def changed(self) -> None:
        """Called in the thread when a server has told of its tools."""
        tools: dict[str, ToolDefinition] = {}
        for server in self._servers:
            for tool in server.tools:
                other = tools.setdefault(tool.name, tool)
                if other is not tool:
                    server.say(f"leaves out {tool.name}: another server has a tool of that name; give one a 'prefix'")
        self._tools = tuple(tools.values())

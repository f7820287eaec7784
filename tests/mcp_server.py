"""A real MCP server for tests, written with the official SDK, and one that misbehaves.

    python -m tests.mcp_server stdio
    python -m tests.mcp_server stdio old                 speaks no protocol version after 2025-11-25
    python -m tests.mcp_server http PORT [old] [json]
    python -m tests.mcp_server stdio hang|garbage|noise|flood|many|stubborn|grandchild

Where the environment names a file in MCP_NOTES, a line is added for what shall be seen from outside.
"""

import os
import signal
import subprocess
import sys
import time
from typing import Annotated, Any

import anyio
from mcp import MCPError, types
from mcp.server.lowlevel import server as lowlevel
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.runner import serve_loop
from pydantic import BaseModel, Field


def note(line: str) -> None:
    if path := os.environ.get("MCP_NOTES"):
        with open(path, "a") as file:
            file.write(f"{line}\n")


class Item(BaseModel):
    name: str
    amount: Annotated[int, Field(ge=1)] = 1


class Order(BaseModel):
    customer: str
    items: list[Item]


server = MCPServer("test", log_level="CRITICAL", version="1")


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def place_order(order: Order) -> dict[str, Any]:
    """Places an order."""
    return {"customer": order.customer, "pieces": sum(item.amount for item in order.items)}


@server.tool()
def fail(reason: str) -> str:
    """Fails for a reason."""
    raise ToolError(reason)


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Answers with text and a picture."""
    return [
        types.TextContent(type="text", text="Here it is."),
        types.ImageContent(type="image", data="AAAA", mime_type="image/png"),
    ]


@server.tool()
async def sleep(seconds: float) -> str:
    """Sleeps."""
    note("sleeping")
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        note("cancelled")
        raise
    return "slept"


@server.tool()
def header(field: str, context: Context) -> str:
    """Tells a header of the request."""
    return (context.headers or {}).get(field, "")


@server.tool()
async def learn(context: Context) -> str:
    """Gets another tool, and says so."""

    def learned() -> str:
        """Was learned."""
        return "learned"

    server.add_tool(learned)
    if "silent" in sys.argv:
        return "ready"
    await context.session.send_tool_list_changed()
    await context.notify_tools_changed()
    return "ready"


@server.tool()
def die() -> str:
    """Ends the server's process in the middle of the call."""
    note("died")
    os._exit(3)


@server.tool(structured_output=False)
def flood(megabytes: int) -> str:
    """Answers with very much."""
    return "x" * (megabytes * 1_000_000)


@server.tool()
def who() -> dict[str, Any]:
    """Tells its process and its environment."""
    return {"pid": os.getpid(), "environment": dict(os.environ), "cwd": os.getcwd()}


async def only_the_old_protocol(context: Any, call_next: Any) -> Any:
    if context.method == "server/discover":
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found")
    return await call_next(context)


def misbehave(how: str) -> None:
    if how == "hang":
        note(str(os.getpid()))
        time.sleep(600)
    elif how == "garbage":
        while True:
            print("this is no JSON", flush=True)
    elif how == "flood":
        sys.stdout.write("x" * 100_000_000)
    elif how == "noise":
        sys.stderr.write("\x1b[31mcanary\n" + "noise\n" * 1_000_000)
    elif how == "many":
        tools = server._tool_manager._tools  # add_tool() would take ten seconds for so many
        tools |= {f"tool_{n}": tools["add"].model_copy(update={"name": f"tool_{n}"}) for n in range(10_000)}
    elif how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(str(os.getpid()))
        try:
            server.run("stdio")
        finally:
            time.sleep(600)
    elif how == "grandchild":
        child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        note(str(child.pid))


if __name__ == "__main__":
    note("started")
    way, *rest = sys.argv[1:]
    if "old" in rest:
        server.middleware.append(only_the_old_protocol)
        lowlevel.serve_dual_era_loop = serve_loop  # as it was before there were two eras
    if way == "http":
        options: dict[str, Any] = {"port": int(rest[0]), "json_response": "json" in rest}
        server.run("streamable-http", **options)
    else:
        misbehave(rest[0] if rest else "")
        server.run("stdio")

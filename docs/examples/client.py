"""A program that talks: it makes a session, types a question, prints the answer, and keeps the whole as a file.

    pip install httpx2 websockets
    python docs/examples/client.py "What's the weather in Paris?"
    python docs/examples/client.py --header "Cookie: sessionid=…; csrftoken=…" --header "X-CSRFToken: …" "Who are you?"

Without a header that says who you are the session belongs to who holds its id, and no list shows it.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("question")
    parser.add_argument("--server", default="http://localhost:3001")
    parser.add_argument("--origin", help="one of the server's ALLOWED_ORIGINS; its own address unless given")
    parser.add_argument("--header", action="append", default=[], help="for every request, as 'Name: value'")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the conversation is kept")
    return parser.parse_args()


def answered(response: httpx2.Response) -> httpx2.Response:
    """The answer, if it is none of an error; else end with the server's own sentence."""
    if response.is_error:
        error = response.json()
        raise SystemExit(f"{response.status_code} {error['code']}: {error['detail']}")
    return response


async def until(socket: ClientConnection, kind: str, **data: Any) -> str:
    """Read until a message of this kind with these data; returns what the model said meanwhile."""
    said = ""
    async for frame in socket:
        message = json.loads(frame)
        content = message.get("data") or {}
        if message["type"] == "transcription" and not content["isUser"]:
            said += content["text"]
        elif message["type"] == "error" and not content["retryable"]:
            raise SystemExit(f"{content['code']}: {content['message']}")
        if message["type"] == kind and content.items() >= data.items():
            return said
    raise SystemExit("The server closed the connection.")


async def ask(options: argparse.Namespace, headers: dict[str, str], session_id: str) -> str:
    address = f"{options.server.replace('http', 'ws', 1)}/ws?sessionId={session_id}"
    cookie = {name: value for name, value in headers.items() if name.lower() == "cookie"}
    async with connect(address, origin=options.origin or options.server, additional_headers=cookie) as socket:
        await socket.send(json.dumps({"type": "connect"}))
        await until(socket, "status", status="CONNECTED")
        await socket.send(json.dumps({"type": "text", "data": {"text": options.question}}))
        said = await until(socket, "turn", state="complete")
        await socket.send(json.dumps({"type": "disconnect"}))
        return said


def main() -> None:
    options = arguments()
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in options.header)}
    with httpx2.Client(base_url=options.server, headers=headers) as api:
        session = answered(api.post("/api/sessions", json={"userId": "example client"})).json()
        session_id = session["sessionId"]
        answered(api.patch(f"/api/sessions/{session_id}", json={"title": options.question[:200]}))

        print(asyncio.run(ask(options, headers, session_id)))

        listed = answered(api.get("/api/sessions", params={"limit": 5})).json()
        for row in listed["sessions"]:
            print(f"{row['createdAt']:.19}  {row['status']:8}  {row['memoryLength']:3} messages  {row['title']}")

        kept = answered(api.get(f"/api/sessions/{session_id}/export", params={"form": "markdown"}))
        file = options.folder / f"{session_id}.md"
        file.write_bytes(kept.content)
        print(f"Kept in {file}")


if __name__ == "__main__":
    main()

"""Secrets of a real server at its most talkative: in no log, no answer, no frame and no page."""

import contextlib
import json
import re

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.forms import long_form
from tests.processes import create, on_each_server, running, until
from tests.server import DAPHNE, UVICORN

ORIGIN = "http://localhost:3000"
TALKATIVE_UVICORN = ["debug" if word == "warning" else word for word in UVICORN]
TALKATIVE_DAPHNE = [("3" if word == "0" else word) for word in DAPHNE]
# Each a secret of its own, so that a failure says which.
CANARIES = {
    "GEMINI_API_KEY": "canary-gemini-key-4f1b",
    "SECRET_KEY": "canary-secret-key-9d2c-0123456789-0123456789-0123456789",
    "METRICS_TOKEN": "canary-metrics-token-77aa",
}
SENT = {
    "authorization": "Bearer canary-authorization-1c",
    "x-goog-api-key": "canary-goog-header-2d",
    "cookie": "sessionid=canary-cookie-3e",
}
TICKET = "ticket=canary-ticket-5a"
KEYS = "key=canary-query-key-6b&token=canary-token-7c"
QUERY = f"{TICKET}&{KEYS}"


def leaks(text: str) -> set[str]:
    return set(re.findall(r"canary-[a-z]+-[a-z]+", text)) | set(re.findall(r"canary-ticket", text))


@pytest.mark.parametrize(
    ("command", "log_format"),
    [
        pytest.param(TALKATIVE_UVICORN, "line", id="uvicorn-line"),
        pytest.param(TALKATIVE_DAPHNE, "json", id="daphne-json"),
        long_form(TALKATIVE_UVICORN, "json", id="uvicorn-json"),
        long_form(TALKATIVE_DAPHNE, "line", id="daphne-line"),
    ],
)
async def test_no_secret_comes_out(environment, command, log_format, tmp_path):
    log = tmp_path / "log"
    environment |= CANARIES | {
        "LOG_LEVEL": "DEBUG", "LOG_FORMAT": log_format, "DEBUG": "0", "SECURE_SSL_REDIRECT": "0",
        "ALLOWED_HOSTS": "localhost,127.0.0.1", "ALLOWED_ORIGINS": ORIGIN,
        "DJANGO_SETTINGS_MODULE": "tests.open_settings",
    }  # fmt: skip
    heard = []
    with running(environment, command, log) as server:
        async with httpx2.AsyncClient(base_url=server.url, headers=SENT) as client:
            for path in (
                "/",
                "/health",
                "/readyz",
                "/metrics",
                "/admin/login/",
                "/api/tools",
                "/api/sessions/7",
                "/no",
            ):
                heard.append((await client.get(f"{path}?{QUERY}")).text)
            for body in ("{", '{"model": 7}', json.dumps({"userId": "ada\r\n2026 ERROR forged\x1b[2J"})):
                answer = await client.post("/api/sessions", content=body, headers={"Content-Type": "application/json"})
                heard.append(answer.text)
            through_a_proxy = await client.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4"})
            assert through_a_proxy.status_code == 404
            heard.append(through_a_proxy.text)
        session_id = await create(server)
        url = f"ws://127.0.0.1:{server.port}/ws?sessionId={session_id}&{KEYS}"
        for address, offered in ((url, ["gemlive.v1", "ticket.canary-ticket-8d"]), (f"{url}&{TICKET}", ["gemlive.v1"])):
            forged = {"origin": ORIGIN, "additional_headers": SENT, "subprotocols": offered, "proxy": None}
            async with connect(address, **forged) as socket:
                heard.append(json.dumps(await until(socket, "error", code="ticket_refused")))
        offered = ["gemlive.v1"]
        async with connect(url, origin=ORIGIN, additional_headers=SENT, subprotocols=offered, proxy=None) as socket:
            await socket.send('{"type": "connect"}')
            heard.append(json.dumps(await until(socket, "status", status="CONNECTED")))
            await socket.send("not json canary\r\n2026 ERROR forged")
            heard.append(json.dumps(await until(socket, "error", code="not_json")))
            await socket.send(json.dumps({"type": "connect", "data": {"model": "no\r\nmodel\x1b[2J"}}))
            with contextlib.suppress(ConnectionClosed):
                heard.append(json.dumps(await until(socket, "error")))
        with pytest.raises(InvalidStatus):
            async with connect(url, origin="http://evil.example", additional_headers=SENT, proxy=None):
                pass
        # A key that Gemini refuses.
        server.stop()
        server.environment["GEMINI_API_KEY"] = "bad"
        server.start()
        async with connect(url, origin=ORIGIN, additional_headers=SENT, proxy=None) as socket:
            await socket.send('{"type": "connect"}')
            heard.append(json.dumps(await until(socket, "error", code="api_key_invalid")))
    told = log.read_text()
    assert "/ws?" in told or "WSCONNECT" in told  # it was talkative
    assert "\x1b" not in told
    assert leaks(told) == set()
    assert leaks("".join(heard)) == set()
    if log_format == "json":
        ours = [line for line in told.splitlines() if line.startswith("{")]
        assert all(json.loads(line)["message"] is not None for line in ours)
        assert any(json.loads(line).get("session") == session_id for line in ours)


@on_each_server
async def test_a_request_has_an_id_in_answer_and_log(environment, command, tmp_path):
    environment |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}", "LOG_LEVEL": "INFO"}
    with running(environment, command, tmp_path / "log") as server:
        async with httpx2.AsyncClient(base_url=server.url) as client:
            given = await client.get("/api/sessions/7", headers={"X-Request-ID": "from-the-proxy-1"})
            own = await client.get("/api/sessions/7")
            hostile = await client.get("/api/sessions/7", headers={"X-Request-ID": "x" * 100})
    assert given.headers["x-request-id"] == "from-the-proxy-1"
    assert len(own.headers["x-request-id"]) == len(hostile.headers["x-request-id"]) == 32
    lines = (tmp_path / "log").read_text().splitlines()
    assert any("Not Found: /api/sessions/7" in line and "[request from-the-proxy-1]" in line for line in lines)

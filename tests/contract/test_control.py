"""Point 13 while it runs: faults and sessions by plain HTTP, on the emulator's own port."""

from __future__ import annotations

import json

import httpx2
import pytest

from sessions_app.emulator import Emulator
from sessions_app.emulator.faults import KINDS

from .conftest import MODEL, dial, raw
from .test_tools import config, next_call

SETUP = {"model": f"models/{MODEL}"}


def control(emulator: Emulator) -> httpx2.AsyncClient:
    """A program that is none of ours, at the emulator's own paths."""
    return httpx2.AsyncClient(base_url=f"{emulator.url}/_emulator", verify=emulator.ssl_context(), trust_env=False)


async def test_13_faults_by_http(emulator: Emulator):
    async with control(emulator) as http, raw(emulator, SETUP) as ws:
        listed = (await http.get("/faults")).json()
        assert set(listed["kinds"]) == set(KINDS)
        added = await http.post("/faults", json=[{"kind": "unknown_keys"}, {"kind": "close", "at": "turn_complete"}])
        assert added.status_code == 200
        first, second = (fault["id"] for fault in added.json()["faults"])
        assert (await http.delete(f"/faults/{second}")).status_code == 200
        await ws.send({"realtimeInput": {"text": "hello"}})
        messages = await ws.turn()
        assert "somethingNew" in messages[0]
        [waiting] = (await http.get("/faults")).json()["faults"]
        assert (waiting["id"], waiting["struck"]) == (first, 1)
        assert (await http.delete("/faults")).json() == {"faults": []}
        await ws.send({"realtimeInput": {"text": "hello"}})
        assert not [message for message in await ws.turn() if "somethingNew" in message]


async def test_13_a_fault_that_strikes_now(emulator: Emulator):
    async with control(emulator) as http, raw(emulator, SETUP) as first, raw(emulator, SETUP) as second:
        await http.post("/faults", json={"kind": "close", "at": "now", "session": 2, "code": 1011, "reason": "now"})
        assert await second.closed() == (1011, "now")
        await first.send({"realtimeInput": {"text": "hello"}})
        assert (await first.turn())[-1]["serverContent"]["turnComplete"]
        assert (await http.get("/faults")).json()["faults"] == [], "it does not wait for others"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "/faults", b"{", 400, "Unable to parse the body as JSON"),
        ("POST", "/faults", b'{"kind": "explode"}', 400, "There is no fault 'explode'"),
        ("POST", "/faults", b'{"kind": "delay", "at": "now"}', 400, "'delay' can strike only at the moment 'turn'"),
        ("POST", "/faults", b"", 400, "Unable to parse"),
        ("DELETE", "/faults/99", b"", 404, "No fault with the id 99"),
        ("PUT", "/faults", b"", 405, "PUT does nothing here"),
        ("GET", "/sessions/99", b"", 404, "There is no session 99."),
        ("GET", "/elsewhere", b"", 404, "no such path"),
        ("POST", "/elsewhere", b"{}", 404, "no such path"),
        ("POST", "/faults", b'{"\\ud800": 1}', 400, ""),
        ("POST", "/faults", b"[" * 5000 + b"]" * 5000, 400, "Unable to parse"),
        ("DELETE", "/faults/" + "9" * 5000, b"", 404, "No fault with the id 9999"),
    ],
)
async def test_13_wrong_requests(emulator: Emulator, method: str, path: str, body: bytes, status: int, sentence: str):
    async with control(emulator) as http:
        refused = await http.request(method, path, content=body)
    assert refused.status_code == status
    assert sentence in refused.json()["error"]["message"]


async def test_sessions_by_http(emulator: Emulator):
    async with control(emulator) as http:
        async with dial(emulator, config()) as session:
            await session.send_realtime_input(text="What's the weather in Paris?")
            call = await next_call(session)
            [shown] = (await http.get("/sessions")).json()["sessions"]
            assert shown["open"]
            assert shown["pendingCalls"] == [call.id]
            assert shown["setup"]["model"] == f"models/{MODEL}"
            assert shown["received"] == {"setup": 1, "realtimeInput.text": 1}
        await emulator.until(lambda: not emulator.sessions)
        one = (await http.get("/sessions/1")).json()
    assert (one["open"], one["closeCode"]) == (False, 1000)
    assert [next(iter(frame["message"])) for frame in one["frames"]][:2] == ["setup", "setupComplete"]
    times = [frame["seconds"] for frame in one["frames"]]
    assert times == sorted(times)
    assert "key" not in json.dumps(one["setup"])

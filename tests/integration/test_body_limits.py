"""Bodies that are too large or too deep get a sentence, on both servers; nothing is kept of them."""

import contextlib
import json
import os
import socket
import sys
from pathlib import Path

import httpx2
import psutil
import pytest

from gemlive_project.body_limits import API_BYTES, MEGABYTE, OTHER_BYTES
from sessions_app.rest.parsers import DEEPEST
from tests.processes import environment_of, running
from tests.server import DAPHNE, UVICORN
from tests.waiting import GIVE_UP_SECONDS

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=[[*UVICORN, "--http", "h11"], DAPHNE], ids=["uvicorn", "daphne"])
def server(request, tmp_path_factory, shared_emulator):
    folder = tmp_path_factory.mktemp("bodies")
    with running(environment_of(folder, shared_emulator), request.param, folder / "log") as running_server:
        yield running_server
    assert "Traceback" not in (folder / "log").read_text()


def post(server, path="/api/sessions", **request) -> httpx2.Response:
    return httpx2.post(server.url + path, timeout=GIVE_UP_SECONDS, **request)


def pieces(size: int):
    """Without a length, as chunks."""
    for _ in range(size // 65_536 + 1):
        yield b" " * 65_536


def test_what_fits_is_taken(server):
    assert post(server, content=b" " * (API_BYTES - 2) + b"{}", headers=JSON).status_code == 200


@pytest.mark.parametrize("body", [b" " * (API_BYTES + 1), pieces(API_BYTES)], ids=["with a length", "in pieces"])
def test_a_large_body_is_refused(server, body):
    content = body if isinstance(body, bytes) else pieces(API_BYTES)
    answer = post(server, content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "Send less" in answer.json()["detail"]


def test_a_large_upload_is_refused_before_it_comes(server):
    """The length that is told decides. Daphne answers nobody whom it has not heard to the end: see the next test."""
    if server.command[0] == "daphne":
        return
    with socket.create_connection(("127.0.0.1", server.port), timeout=GIVE_UP_SECONDS) as connection:
        connection.sendall(
            b"POST /admin/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (OTHER_BYTES + 1) + b"x"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a file without a name is read in Linux's /proc")
def test_of_a_body_without_an_end_no_more_is_kept_than_may_come(server):
    """Sent in pieces, without a length: uvicorn hangs up; Daphne throws the rest away, and has the body in memory."""
    process = psutil.Process(server.process.pid)
    before, kept_before = process.memory_info().rss, bytes_in_files(process)
    piece = b"%x\r\n" % MEGABYTE + bytes(MEGABYTE) + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=GIVE_UP_SECONDS) as connection:
        connection.sendall(b"POST /admin/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(2 * OTHER_BYTES // MEGABYTE):
                connection.sendall(piece)
            assert bytes_in_files(process) - kept_before < OTHER_BYTES + MEGABYTE
            connection.sendall(b"0\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    in_memory = OTHER_BYTES if server.command[0] == "daphne" else 0
    assert process.memory_info().rss - before < in_memory + 16 * MEGABYTE


def bytes_in_files(process: psutil.Process) -> int:
    """In those that it has open, also in those without a name."""
    return sum(os.stat(file).st_size for file in Path(f"/proc/{process.pid}/fd").iterdir() if os.path.isfile(file))


@pytest.mark.parametrize(
    "body",
    ["[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
    ids=["just too deep", "lists", "objects"],
)
def test_a_deep_body_is_refused(server, body):
    answer = post(server, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_deep")


@pytest.mark.parametrize(
    "body",
    ["{", "\x00", '{"userId": NaN}', json.dumps({"userId": "\ud800"}), json.dumps({"userId": "a\x00"}), "9" * 5000,
     '{"temperature": 1e999}', "null", "[]", '"text"', json.dumps({"userId": "a" * 201})],
)  # fmt: skip
def test_an_odd_body_is_no_servers_error(server, body):
    answer = post(server, content=body, headers=JSON)
    assert 400 <= answer.status_code < 500, answer.content


def test_the_server_limits_headers_itself(server):
    try:
        answer = httpx2.get(server.url + "/api/tools", headers={"X-Long": "a" * 200_000})
    except httpx2.TransportError:
        return  # it hung up
    assert 400 <= answer.status_code < 500

import asyncio
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from tools_app import http
from tools_app.http import HttpClient, HttpError, is_public

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"]
PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "::7f00:1", "not an address"),
]


class Handler(BaseHTTPRequestHandler):
    """Answers what the path says."""

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        body, kind, status, extra = b'{"ok": true}', "application/json", 200, {}
        if self.path.startswith("/redirect"):
            status, extra = 302, {"Location": f"http://127.0.0.1:{self.server.server_address[1]}/"}
        elif self.path == "/large":
            body = b"x" * (http.MAX_BYTES + 1)
        elif self.path == "/bomb":
            body, extra = gzip.compress(b"x" * 100_000_000), {"Content-Encoding": "gzip"}
        elif self.path == "/text":
            body, kind = "grüße".encode(), "text/plain; charset=utf-8"
        elif self.path == "/broken":
            status = 503
        elif self.path == "/drip":
            self.server.release.wait(20)
        elif self.path == "/echo":
            length = int(self.headers.get("Content-Length", 0))
            body = json.dumps({"method": self.command, "body": self.rfile.read(length).decode()}).encode()
        elif self.path == "/garbage":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
            return
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_DELETE = do_GET

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            """The client had enough."""

    def log_message(self, *args) -> None:
        """Quiet."""


def serve(context: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.release = [], threading.Event()
    server.handle_error = lambda *args: None
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(settings):
    for server in serve():
        settings.TOOLS_PRIVATE_HOSTS = [server.host]
        yield server


@pytest.fixture
def resolve(monkeypatch):
    """Makes names resolve to given addresses, as a DNS would; returns the names asked for."""
    asked = []
    answers: dict[str, list[str]] = {}
    original = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        asked.append(name)
        return [entry for address in answers.get(name, [name]) for entry in original(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked, answers


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_in_every_disguise(address):
    assert not is_public(address)


async def test_json_comes_with_its_parameters_sent(server):
    assert await HttpClient().get_json(f"http://{server.host}/a?x=1", name="New York", count=1) == {"ok": True}
    assert server.seen[0][1] == "/a?x=1&name=New+York&count=1" or server.seen[0][1] == "/a?x=1&name=New%20York&count=1"
    assert server.seen[0][2]["Host"] == server.host


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_private_hosts_are_refused_before_a_connection(server, settings, host):
    settings.TOOLS_PRIVATE_HOSTS = []
    with pytest.raises(HttpError, match=r"private address|cannot be reached: the name is unknown"):
        await HttpClient().request("GET", f"http://{host}:{server.server_address[1]}/")
    assert server.seen == []


async def test_a_name_is_resolved_once_and_one_private_address_refuses_it(server, settings, resolve):
    asked, answers = resolve
    answers["two.example.com"] = ["8.8.8.8", "127.0.0.1"]
    with pytest.raises(HttpError, match="private address"):
        await HttpClient().request("GET", f"http://two.example.com:{server.server_address[1]}/")
    assert server.seen == []
    answers["api.example.com"] = ["127.0.0.1"]
    settings.TOOLS_PRIVATE_HOSTS = [f"api.example.com:{server.server_address[1]}"]
    asked.clear()
    await HttpClient().get_json(f"http://api.example.com:{server.server_address[1]}/")
    assert asked.count("api.example.com") == 1
    assert server.seen[0][2]["Host"] == f"api.example.com:{server.server_address[1]}"


async def test_tls_is_checked_against_the_name_and_not_the_address(settings, resolve, monkeypatch):
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("api.example.com").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    monkeypatch.setattr(http, "_tls", lambda: client_side)
    resolve[1].update({"api.example.com": ["127.0.0.1"], "other.example.com": ["127.0.0.1"]})
    for server in serve(server_side):
        port = server.server_address[1]
        settings.TOOLS_PRIVATE_HOSTS = [f"api.example.com:{port}", f"other.example.com:{port}"]
        assert await HttpClient().get_json(f"https://api.example.com:{port}/") == {"ok": True}
        with pytest.raises(HttpError, match="cannot be reached"):
            await HttpClient().get_json(f"https://other.example.com:{port}/")


async def test_a_redirect_is_an_answer_and_not_followed(server):
    response = await HttpClient().request("GET", f"http://{server.host}/redirect")
    assert response.status == 302
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/large", "more than 1024 KB"),
        ("/bomb", "compressed answer"),
        ("/broken", "HTTP status 503; try again later"),
        ("/text", "did not answer in JSON"),
        ("/garbage", "cannot be reached"),
    ],
)
async def test_an_unusable_answer_is_a_sentence(server, path, sentence):
    with pytest.raises(HttpError, match=sentence) as caught:
        await HttpClient().named("The test service").get_json(f"http://{server.host}{path}")
    assert str(caught.value).startswith("The test service at 127.0.0.1 ")


async def test_a_server_that_does_not_answer_is_given_up(server):
    async with asyncio.timeout(10):
        with pytest.raises(HttpError, match=r"did not answer within 0\.1 seconds"):
            await HttpClient().request("GET", f"http://{server.host}/drip", timeout=0.1)


async def test_a_closed_port_is_a_sentence_that_says_what_to_do(settings):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{reserved.getsockname()[1]}"
        settings.TOOLS_PRIVATE_HOSTS = [host]
        with pytest.raises(HttpError, match=r"cannot be reached.*try again later or check this server's network"):
            await HttpClient().get_json(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com",
        "http://",
        "http://[",
        "example.com",
        "http://a:b@example.com/",
        "gopher://x",
        "http://exa mple.com",
    ],
)
async def test_what_is_no_web_address_is_a_sentence(url):
    with pytest.raises(HttpError):
        await HttpClient().request("GET", url)


@pytest.mark.parametrize(
    ("url", "listed", "passes"),
    [
        ("https://api.example.com/x", ["api.example.com"], True),
        ("https://API.example.com./x", ["api.example.com"], True),
        ("https://api.example.com:8443/x", ["api.example.com"], False),
        ("https://api.example.com:8443/x", ["api.example.com:8443"], True),
        ("https://evil-api.example.com/x", ["api.example.com"], False),
        ("https://api.example.com.evil.test/x", ["api.example.com"], False),
        ("https://example.com/?api.example.com", ["api.example.com"], False),
        ("https://api.example.com/x", [], False),
    ],
)
async def test_the_allow_list_is_exact(url, listed, passes, resolve):
    _, answers = resolve
    answers.update({name: ["127.0.0.1"] for name in ("api.example.com", "API.example.com.", "api.example.com.")})
    # A host that passes the list fails later, at its private address.
    with pytest.raises(HttpError, match="private address" if passes else "TOOLS_ALLOWED_HOSTS"):
        await HttpClient().request("GET", url, allowed_hosts=listed)


async def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await HttpClient().get_json(f"http://{server.host}/") == {"ok": True}


async def test_call_external_api_says_how_to_allow_a_host(call, settings):
    settings.TOOLS_ALLOWED_HOSTS = []
    assert "TOOLS_ALLOWED_HOSTS=api.example.com" in (await call("call_external_api", url="https://a.test/")).error


async def test_call_external_api_sends_and_reads_json(call, server, settings):
    settings.TOOLS_ALLOWED_HOSTS = [server.host]
    url = f"http://{server.host}"
    assert (await call("call_external_api", url=f"{url}/")).result == {
        "status": 200,
        "contentType": "application/json",
        "body": {"ok": True},
    }
    for body in ({"a": 1}, '{"a": 1}'):
        outcome = await call("call_external_api", url=f"{url}/echo", method="post", body=body)
        assert outcome.result["body"]["method"] == "POST"
        assert json.loads(outcome.result["body"]["body"]) == {"a": 1}
    assert (await call("call_external_api", url=f"{url}/text")).result["body"] == "grüße"
    assert (await call("call_external_api", url=f"{url}/broken")).result["status"] == 503
    assert (await call("call_external_api", url=url, body={"a": 1})).status == "error"
    assert (await call("call_external_api", url=url, method="TRACE")).status == "error"
    assert "TOOLS_ALLOWED_HOSTS" in (await call("call_external_api", url="http://127.0.0.1:1/")).error


async def test_an_allowed_host_on_a_private_address_needs_its_own_exception(call, server, settings):
    settings.TOOLS_ALLOWED_HOSTS, settings.TOOLS_PRIVATE_HOSTS = [server.host], []
    assert "TOOLS_PRIVATE_HOSTS" in (await call("call_external_api", url=f"http://{server.host}/")).error
    assert server.seen == []

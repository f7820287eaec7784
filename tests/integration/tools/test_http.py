import asyncio
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore2
import pytest
import trustme

from tests.waiting import GIVE_UP_SECONDS
from tools_app import http, targets
from tools_app.http import HttpClient, HttpError, is_public
from tools_app.threads import ToolThreads

PUBLIC = ["8.8.8.8", "1.1.1.1", "192.0.1.1", "168.63.129.17", "2606:4700:4700::1111", "2001:4860::1", "::ffff:8.8.8.8"]
PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("100.100.100.200", "192.0.0.192", "192.0.0.9", "168.63.129.16", "192.88.99.1", "172.31.255.255", "0.1.2.3"),
    *("fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:224.0.0.1", "64:ff9b:1::7f00:1", "2001:20::1", "2001:2::1"),
    *("3fff::1", "5f00::1", "100::1", "ff0e::1", "2002:a9fe:a9fe::", "::ffff:0:127.0.0.1", "127.1", "0x7f.1", ""),
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


@pytest.fixture
def no_connections(monkeypatch) -> list:
    """What was connected to: nothing, if all is well."""
    tried: list = []

    async def connect(self, host, port, *args, **kwargs):
        tried.append((host, port))
        raise httpcore2.ConnectError("not in this test")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    return tried


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


HOSTILE_HOSTS = [
    *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "017700000001"),
    *("0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "0x7F.1", "127.0.0.1.", "0", "0.0.0.0", "00000000", "0x0"),
    *("127.000.000.001", "::1", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::127.0.0.1]", "[::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "[2002:7f00:1::7f00:1]", "[fec0::1]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[ff0e::1]", "[2001:0:7f00:1::]", "[2001:db8::1]"),
    *("[3fff::1]", "[::1", "::1]", "[v1.a]", "[127.0.0.1]", "[]", "169.254.169.254", "2852039166", "0xa9fea9fe"),
    *("0251.0376.0251.0376", "169.254.43518", "100.100.100.200", "192.0.0.192", "168.63.129.16", "192.88.99.1"),
    *("100.64.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "10.1", "224.0.0.1", "239.255.255.250"),
    *("255.255.255.255", "240.0.0.1", "198.18.0.1", "203.0.113.1", "4294967295", "①②⑦.⓪.⓪.①", "１２７.0.0.1"),
    *("127。0。0。1", "ⓛocalhost", "loc\xadalhost", "%31%32%37.0.0.1", "127.0.0.1%00.example.com"),
    *("127.0.0.1%2f.example.com", "example.com%40127.0.0.1", "user@127.0.0.1", "a:b@127.0.0.1"),
    *("example.com@127.0.0.1", "@127.0.0.1", "a\\@127.0.0.1", "127.0.0.1#@example.com", "127.0.0.1?@example.com"),
    *("127.0.0.1/@example.com", "127.0.0.1\t", "127.0.0.1\r\nX: y", " 127.0.0.1", "127.0.0.1 ", "*"),
    *("127.0.0.1,8.8.8.8", "..", ".", "-", "api.example.com..", "exa_mple..com", "4294967296", "256.256.256.256"),
    *("0x100000000",),
    *("a" * 300, f"{'a' * 64}.example.com"),
]  # fmt: skip


@pytest.mark.parametrize("path", [":{port}/", "/"])
@pytest.mark.parametrize("host", HOSTILE_HOSTS)
async def test_hostile_hosts_are_refused_before_a_connection(server, settings, no_connections, host, path):
    settings.TOOLS_PRIVATE_HOSTS = []
    url = f"http://{host}{path.format(port=server.server_address[1])}"
    with pytest.raises(HttpError, match=r"private address|the name is unknown|is no |leave them out|no valid host"):
        await HttpClient().request("GET", url)
    assert (server.seen, no_connections) == ([], [])


@pytest.mark.parametrize("port", ["0", "-1", "65536", "١٢٣٤٥٦"])
async def test_a_port_that_is_none_is_not_the_default_one(settings, resolve, no_connections, port):
    resolve[1]["api.example.com"] = ["8.8.8.8"]
    with pytest.raises(HttpError, match=r"no valid host and port|is no URL"):
        await HttpClient().request("GET", f"http://api.example.com:{port}/")
    assert no_connections == []


async def test_ipv4_is_taken_where_there_is_any(resolve, no_connections):
    _, answers = resolve
    answers |= {"both.example.com": ["2606:4700::1", "8.8.8.8"], "six.example.com": ["2606:4700::1"]}
    for host in answers:
        with pytest.raises(HttpError, match="cannot be reached"):
            await HttpClient().request("GET", f"http://{host}/")
    assert no_connections == [("8.8.8.8", 80), ("2606:4700::1", 80)]


async def test_a_dns_that_does_not_answer_holds_up_nobody_else(monkeypatch, server):
    """Neither names that others resolve, nor, once they are given up, those of later tools."""
    release, asked, original = threading.Event(), [], socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        asked.append(host)
        if str(host).startswith("slow"):
            release.wait(GIVE_UP_SECONDS)
        return original("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(targets, "LOOKUPS", ToolThreads(limit=2, max_abandoned=8))
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    try:
        slow = [HttpClient().request("GET", f"http://slow{n}.example.com/", timeout=0.2) for n in range(4)]
        for error in await asyncio.gather(*slow, return_exceptions=True):
            assert "did not answer within 0.2 seconds" in str(error)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            assert await asyncio.get_running_loop().getaddrinfo("other.example.com", 80)
            assert await HttpClient().get_json(f"http://{server.host}/") == {"ok": True}
        assert asked[-1] == "127.0.0.1"
    finally:
        release.set()


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
    async with asyncio.timeout(GIVE_UP_SECONDS):
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


async def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await HttpClient().get_json(f"http://{server.host}/") == {"ok": True}


async def test_call_external_api_says_how_to_allow_a_host(call, settings):
    settings.TOOLS_ALLOWED_HOSTS = []
    assert "TOOLS_ALLOWED_HOSTS=api.example.com" in (await call("call_external_api", url="https://a.test/")).error


async def test_call_external_api_sends_and_reads_json(call, server, settings):
    settings.TOOLS_ALLOWED_HOSTS, settings.TOOLS_ALLOWED_METHODS = [server.host], ["get", "POST"]
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

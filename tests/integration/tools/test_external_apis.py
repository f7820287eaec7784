"""Which APIs a model may call, and that the secrets for them go there and nowhere else."""

import asyncio
import base64
import html
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import trustme
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from gemlive_project.settings.tools import external_apis
from sessions_app.models import LiveSession
from tests.waiting import GIVE_UP_SECONDS
from tools_app import http, redaction
from tools_app.exceptions import ToolError
from tools_app.executor import ToolExecutor
from tools_app.external_apis import api_for
from tools_app.http import HttpClient, HttpError
from tools_app.http_checks import check_http
from tools_app.redaction import Redactor, secrets_of
from tools_app.registry import get_tool
from tools_app.targets import Target

from .test_http import resolve  # noqa: F401  a fixture

ROOT = Path(__file__).resolve().parents[3]
CANARY = 'c4n+ry/"key"&Zq_42'
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in CANARY)
ECHOES = {
    "plain": lambda header: f"You sent {header}!",
    "lower case": str.lower,
    "percent": quote_plus,
    "percent, all of it": lambda header: "".join(f"%{ord(letter):02X}" for letter in header),
    "percent, path": lambda header: quote(header, safe="/"),
    "base64": lambda header: base64.b64encode(header.encode()).decode(),
    "base64 within": lambda header: base64.b64encode(f"<Authorization: {header}>".encode()).decode(),
    "base64 within, shifted": lambda header: base64.b64encode(f"<<Authorization: {header}>>".encode()).decode(),
    "base64 in lines": lambda header: base64.encodebytes(f"{'x' * 40} {header} {'y' * 40}".encode()).decode(),
    "base64 for URLs": lambda header: base64.urlsafe_b64encode(header.encode()).decode(),
    "base64, percent": lambda header: quote(base64.b64encode(header.encode()), safe=""),
    "JSON": json.dumps,
    "JSON escapes": lambda header: f'"{ESCAPED}"',
    "HTML": lambda header: html.escape(header),
    "HTML escapes": lambda header: "".join(f"&#{ord(letter)};" for letter in header),
    "UTF-16": lambda header: header.encode("utf-16").decode("latin-1"),
}


class Handler(BaseHTTPRequestHandler):
    """/echo?NAME answers the Authorization header in that way; the header comes back in a header, too."""

    def do_GET(self) -> None:
        header = self.headers.get("Authorization", "none")
        self.server.seen.append((self.command, header, self.headers.get("X-Tenant")))
        name = self.path.partition("?")[2].replace("_", " ")
        body = ECHOES[name](header).encode("latin-1") if name in ECHOES else json.dumps({"Auth": header}).encode()
        self.send_response(401)
        self.send_header("Content-Type", f"text/{header}" if self.path == "/type" else "application/json")
        self.send_header("X-Echo", header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args) -> None:
        """Quiet."""


@pytest.fixture
def shop(settings, monkeypatch, resolve) -> Iterator[ThreadingHTTPServer]:  # noqa: F811
    """https://shop.example.com:PORT, which gets a secret header."""
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("shop.example.com", "other.example.com").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    monkeypatch.setattr(http, "_tls", lambda: client_side)
    resolve[1].update({"shop.example.com": ["127.0.0.1"], "other.example.com": ["127.0.0.1"]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.handle_error = [], lambda *args: None
    server.socket = server_side.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    port = server.server_address[1]
    settings.TOOLS_PRIVATE_HOSTS = [f"shop.example.com:{port}", f"other.example.com:{port}"]
    settings.TOOLS_ALLOWED_HOSTS = [f"other.example.com:{port}"]
    settings.EXTERNAL_APIS = {
        f"shop.example.com:{port}": {
            "methods": ["GET", "post"],
            "headers": {"Authorization": f"Bearer {CANARY}", "X-Tenant": "acme"},
            "description": "Orders of the shop",
        }
    }
    server.url, server.other = f"https://shop.example.com:{port}", f"https://other.example.com:{port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def everything_saved() -> str:
    with connection.cursor() as cursor:
        return repr(
            [cursor.execute(f'SELECT * FROM "{table}"').fetchall() for table in connection.introspection.table_names()]
        )


@pytest.mark.parametrize("echo", ECHOES)
async def test_a_secret_goes_to_its_host_and_comes_back_in_no_form(call, shop, echo):
    outcome = await call("call_external_api", url=f"{shop.url}/echo?{echo.replace(' ', '_')}")
    assert shop.seen == [("GET", f"Bearer {CANARY}", "acme")]
    assert outcome.result["status"] == 401
    assert "[secret]" in str(outcome.result["body"])
    assert not Redactor([CANARY]).finds(repr(outcome.result).encode())


async def test_the_canary_is_in_no_row_answer_sentence_or_log(transactional_db, async_client, shop, caplog, settings):
    """Whatever goes well or wrong, at the most talkative level of the log."""
    caplog.set_level(logging.DEBUG)
    session = await LiveSession.objects.acreate()
    executor = ToolExecutor(session_id=session.pk, user_id=None, allowed=None)
    texts = []
    for number, args in enumerate((
        {"url": f"{shop.url}/"},
        {"url": f"{shop.url}/", "method": "POST", "body": {"a": 1}},
        {"url": f"{shop.url}/", "method": "DELETE"},
        {"url": f"{shop.url}/type"},
        {"url": f"{shop.url.replace('https', 'http')}/"},
        {"url": f"{shop.url.replace('shop', 'wrong')}/"},
    )):  # fmt: skip
        texts.append(repr(await executor.call(f"call-{number}", "call_external_api", args)))
    settings.EXTERNAL_APIS[next(iter(settings.EXTERNAL_APIS))]["headers"]["Authorization"] += "\n"
    texts.append(repr(await executor.call("call-x", "call_external_api", {"url": f"{shop.url}/"})))
    assert "cannot be reached" in texts[-1]
    await executor.close(timeout=GIVE_UP_SECONDS)
    saved = await sync_to_async(everything_saved)()
    assert "call_external_api" in saved
    texts += [
        saved,
        (await async_client.get(f"/api/sessions/{session.pk}")).content.decode(),
        (await async_client.get("/api/tools")).content.decode(),
        repr(await sync_to_async(executor.declarations)()),
        caplog.text,
        *(repr(vars(record)) for record in caplog.records),
    ]
    for text in texts:
        assert not Redactor([CANARY]).finds(text.encode()), text


async def test_only_that_host_gets_the_secret(call, shop):
    assert (await call("call_external_api", url=f"{shop.other}/")).result["body"] == {"Auth": "none"}
    outcome = await call("call_external_api", url=shop.url.replace("shop", "api"))
    assert "TOOLS_ALLOWED_HOSTS" in outcome.error
    assert [header for _, header, _ in shop.seen] == ["none"]


async def test_secrets_are_not_sent_in_clear_text(settings):
    with pytest.raises(HttpError, match="with https:// only"):
        await HttpClient().request("GET", "http://api.example.com/", secret_headers={"X-Key": "0123456789"})


async def test_a_model_is_told_of_hosts_methods_and_purposes(shop, settings):
    settings.TOOLS_ALLOWED_HOSTS = ["status.example.org"]
    port = shop.server_address[1]
    assert get_tool("call_external_api").declaration()["description"] == (
        "Call an HTTP API and get its answer. Allowed hosts: "
        f"shop.example.com:{port} (GET, POST: Orders of the shop); status.example.org (GET, HEAD)."
    )


async def test_a_method_that_a_host_may_not_get_is_not_sent(call, shop, settings):
    outcome = await call("call_external_api", url=f"{shop.url}/", method="DELETE")
    assert "may be called with GET, POST here, not with DELETE" in outcome.error
    outcome = await call("call_external_api", url=f"{shop.other}/", method="POST", body={"a": 1})
    assert "may be called with GET, HEAD here, not with POST" in outcome.error
    assert shop.seen == []
    settings.TOOLS_ALLOWED_METHODS = ["POST"]
    assert (await call("call_external_api", url=f"{shop.other}/", method="POST")).status == "ok"


@pytest.mark.parametrize(
    ("url", "entry", "passes"),
    [
        ("https://api.example.com/x", "api.example.com", True),
        ("https://API.example.com./x", "api.example.com", True),
        ("http://api.example.com/x", "api.example.com", True),
        ("https://api.example.com/x", " API.example.com ", True),
        ("https://xn--mller-kva.example/x", "müller.example", True),
        ("https://müller.example/x", "xn--mller-kva.example", True),
        ("https://api.example.com:8443/x", "api.example.com", False),
        ("http://api.example.com:443/x", "api.example.com", False),
        ("https://api.example.com:8443/x", "api.example.com:8443", True),
        ("https://[2606:4700::1]:8443/x", "[2606:4700::1]:8443", True),
        ("https://evil-api.example.com/x", "api.example.com", False),
        ("https://api.example.com.evil.test/x", "api.example.com", False),
        ("https://api.example.com@evil.test/x", "api.example.com", False),
        ("https://example.com/?api.example.com", "api.example.com", False),
        ("https://api.example.com/x", "https://api.example.com", False),
    ],
)
def test_the_allow_list_is_exact(settings, url, entry, passes):
    settings.TOOLS_ALLOWED_HOSTS = [entry]
    if passes:
        assert api_for(Target.parse(url), "GET").entry == entry
    else:
        with pytest.raises(ToolError, match=r"TOOLS_ALLOWED_HOSTS|leave them out"):
            api_for(Target.parse(url), "GET")


@pytest.mark.parametrize(
    ("url", "private", "passes"),
    [
        ("https://api.example.com/", [], True),
        ("https://api.example.com:443/", [], True),
        ("http://api.example.com/", [], False),
        ("http://api.example.com:443/", [], False),
        ("http://api.example.com:443/", ["api.example.com:443"], True),
    ],
)
def test_an_api_with_an_entry_of_its_own_is_reached_with_https(settings, url, private, passes):
    settings.EXTERNAL_APIS, settings.TOOLS_PRIVATE_HOSTS = {"api.example.com": {}}, private
    if passes:
        assert api_for(Target.parse(url), "GET").https_only
    else:
        with pytest.raises(ToolError, match="with https:// only"):
            api_for(Target.parse(url), "GET")


@pytest.mark.parametrize(
    ("header", "secrets"),
    [
        ("Bearer abcdef123", {"abcdef123"}),
        ("Basic " + base64.b64encode(b"ada:lovelace").decode(), {"YWRhOmxvdmVsYWNl", "ada:lovelace", "lovelace"}),
        ("0123456789", {"0123456789"}),
        ("session=0123456789; theme=dark", {"session=0123456789; theme=dark", "session=0123456789", "0123456789",
                                            "theme=dark"}),
        ("acme", set()),
    ],
)  # fmt: skip
def test_what_is_secret_of_a_header(header, secrets):
    assert set(secrets_of(header)) == secrets


async def test_ordinary_text_stays_as_it_is():
    text = "The keynote of Canary Wharf costs 42 %, a+b/c & more \\ \x00 😀".encode()
    assert await Redactor(secrets_of(f"Bearer {CANARY}")).clean(text) == text


@pytest.mark.parametrize("written", [CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode()])
async def test_a_secret_is_found_wherever_in_a_long_answer_it_stands(written):
    for before in range(redaction.WINDOW - 60, redaction.WINDOW + 2):
        body = b"." * before + written.encode() + b"." * redaction.WINDOW
        cleaned = await Redactor([CANARY]).clean(body)
        assert cleaned.startswith(b"." * before + b"[secret]")
        assert cleaned.endswith(b"." * redaction.WINDOW)
        assert len(cleaned) < before + 8 + 4 + redaction.WINDOW


async def test_a_hostile_megabyte_holds_up_nobody():
    """Others get their turn dozens of times meanwhile."""
    turns, done = 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await Redactor(secrets_of(f"Bearer {CANARY}")).clean((CANARY[:-1].encode() + b"\\n") * 50_000)
    done = True
    await task
    assert turns >= 20


# --- the settings


def test_the_file_of_apis_gets_its_secrets_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "abcdef0123456789")
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "apis.toml").write_text(
        '["api.example.com"]\nheaders = { A = "Bearer ${SHOP_TOKEN}", B = "$SHOP_TOKEN {x}", C = "${EMPTY}" }\n'
    )
    assert external_apis(str(tmp_path / "apis.toml"))["api.example.com"]["headers"] == {
        "A": "Bearer abcdef0123456789", "B": "$SHOP_TOKEN {x}", "C": "${EMPTY}",
    }  # fmt: skip
    assert external_apis("") == {}


@pytest.mark.parametrize("name", ["missing.toml", "broken.toml"])
def test_a_file_of_apis_that_cannot_be_read_is_told(tmp_path, name):
    (tmp_path / "broken.toml").write_text("[")
    with pytest.raises(ImproperlyConfigured, match=r"EXTERNAL_APIS_FILE cannot be read.*See docs/web-tools.md"):
        external_apis(str(tmp_path / name))


def test_a_wrong_host_stops_the_server_at_start_up():
    result = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, capture_output=True, text=True, timeout=GIVE_UP_SECONDS,
        env=os.environ
        | {"TOOLS_ALLOWED_HOSTS": "https://a.example", "DJANGO_SETTINGS_MODULE": "gemlive_project.settings"},
    )  # fmt: skip
    assert result.returncode == 1
    assert "gemlive.E041" in result.stderr


@pytest.mark.parametrize(
    ("toml", "changes", "check_id", "says"),
    [
        ("", {"TOOLS_ALLOWED_HOSTS": ["https://api.example.com/v1"]}, "gemlive.E041", "write it like api.example.com"),
        ("", {"TOOLS_ALLOWED_HOSTS": ["*.example.com"]}, "gemlive.E041", "'*.example.com'"),
        ("", {"TOOLS_ALLOWED_HOSTS": ["api.example.com:70000"]}, "gemlive.E041", "api.example.com:70000"),
        ("", {"TOOLS_PRIVATE_HOSTS": ["localhost"]}, "gemlive.E041", "has no port"),
        ("", {"TOOLS_ALLOWED_METHODS": ["GET", "FETCH"]}, "gemlive.E042", "'FETCH'"),
        ('["https://a.example"]', {}, "gemlive.E041", "https://a.example"),
        ('["a.example"]\nmethods = ["LIST"]', {}, "gemlive.E042", "'LIST'"),
        ('["a.example"]\nmethods = "GET"', {}, "gemlive.E042", "no list"),
        ('["a.example"]\nmethod = ["GET"]', {}, "gemlive.E043", "unknown keys (method)"),
        ('"a.example" = 1', {}, "gemlive.E043", "no table"),
        ('["a.example"]\nheaders = "x"', {}, "gemlive.E044", "a table of names and values"),
        ('["a.example"]\nheaders = { X-Key = "sesame-1\\nX-Other: sesame-2" }', {}, "gemlive.E044", "line break"),
        ('["a.example"]\nheaders = { "X Key" = "sesame-12" }', {}, "gemlive.E044", "name cannot be set"),
        ('["a.example"]\nheaders = { Host = "sesame-12" }', {}, "gemlive.E044", "name cannot be set"),
        ('["a.example"]\nheaders = { X-Key = "${NO_SUCH_TOKEN}" }', {}, "gemlive.E044", "NO_SUCH_TOKEN is not set"),
        ('["a.example"]\nheaders = { X-Key = "sesame" }', {}, "gemlive.W041", "this short"),
    ],
)
def test_a_wrong_setting_is_told_without_its_secret(settings, toml, changes, check_id, says):
    settings.EXTERNAL_APIS = tomllib.loads(toml)
    for name, value in changes.items():
        setattr(settings, name, value)
    [problem] = check_http(None)
    assert problem.id == check_id
    assert says in problem.msg
    assert "sesame" not in f"{problem.msg} {problem.hint}"

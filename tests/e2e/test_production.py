"""The page as a production server gives it: collected, hashed, compressed, and without a script."""

import gzip
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Response

from tests.server import ROOT, Server, free_port

from .browser import loudest, open_page, wait_for_state
from .page import lines, open_voice_page, type_message

HASHED = re.compile(r"/static/[\w/.-]+\.[0-9a-f]{12}\.(js|css)")
MOST_OF_OUR_SCRIPT = 60 * 1024


@pytest.fixture(scope="module")
def production_server(make_server: Callable[..., Server], emulator, tmp_path_factory) -> Iterator[Server]:
    """DEBUG=0 with a key, behind no proxy: so it must not send anybody to HTTPS."""
    collected = tmp_path_factory.mktemp("static")
    port = free_port()
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.e2e.production_settings",
        "TEST_STATIC_ROOT": str(collected),
        "DEBUG": "0",
        "PORT": str(port),
        "SECURE_SSL_REDIRECT": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "localhost",
        "ALLOWED_ORIGINS": f"http://localhost:{port}",
        "GEMINI_API_KEY": "test",
        "GEMINI_BASE_URL": emulator.url,
        "GEMINI_CA_FILE": str(emulator.ca_file),
    }
    # WhiteNoise looks at the files when the server starts.
    Server(port, environment, collected / "log", forked=True).manage("collectstatic", "--noinput", "--verbosity=0")
    server = make_server(**environment)
    yield server
    server.stop()


async def test_a_typed_conversation_is_held_with_files_that_are_hashed_compressed_and_kept(production_server):
    fetched: list[Response] = []
    async with open_page() as page:
        page.on("response", lambda answer: fetched.append(answer))
        wire = await open_voice_page(page, production_server)
        assert await page.locator("#offline").is_hidden()
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        assert await loudest(page) > 0.1
        assert await lines(page, speaker="user") == ["Who are you?"]
        assert (await lines(page, speaker="model"))[0].strip()
        headers = {urlsplit(answer.url).path: await answer.all_headers() for answer in fetched}
    assert wire.received_audio
    scripts = {path: answer for path, answer in headers.items() if re.search("javascript|css", answer["content-type"])}
    files = {path: answer for path, answer in scripts.items() if path not in ("/jsi18n", "/tap.js")}
    # Each module of the page by itself, and one style.
    modules = {path.name.removesuffix(".js") for path in (ROOT / "static/js").glob("*.js")}
    assert modules <= {Path(path).name.partition(".")[0] for path in files}
    assert any(path.endswith(".css") for path in files)
    for path, answer in files.items():
        assert HASHED.fullmatch(path), path
        assert "immutable" in answer["cache-control"], path
    for path, answer in scripts.items():
        assert path == "/tap.js" or answer.get("content-encoding") in ("gzip", "br"), path


async def test_the_worklets_are_hashed_too(production_server):
    async with open_page(tap=False) as page:
        await open_voice_page(page, production_server)
        for worklet in ("capture", "playback"):
            address = await page.locator("body").get_attribute(f"data-{worklet}-worklet")
            assert HASHED.fullmatch(address)


def test_all_our_script_is_small():
    """In bytes, as gzip leaves it; the worklets, too."""
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in (ROOT / "static/js").rglob("*.js")}
    assert sum(sizes.values()) <= MOST_OF_OUR_SCRIPT, sizes


async def test_without_a_script_the_page_is_painted_and_says_what_it_needs(production_server):
    async with open_page(tap=False, java_script_enabled=False) as page:
        await page.goto(production_server.url)
        for part in ("header h1", ".stage", "#start", "#text"):
            assert await page.locator(part).is_visible(), part
        assert "needs JavaScript" in await page.locator(".stage").inner_text()
        # The style is there: the stage's orb is round.
        box = await page.locator("#orb").bounding_box()
        assert box["width"] == box["height"] > 50


async def test_the_page_of_the_api_shows_every_operation_under_our_policy(production_server):
    async with open_page(tap=False) as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{production_server.url}/api/docs")
        await page.locator(".opblock-summary-path").first.wait_for()
        schema = await (await page.request.get(f"{production_server.url}/api/schema")).json()
        operations = sum(len(verbs) for verbs in schema["paths"].values())
        assert await page.locator(".opblock").count() == operations
        await page.locator("#operations-usage-usage_retrieve .opblock-summary").click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await page.locator(".live-responses-table").get_by_text('"groupBy"').wait_for()
        assert complaints == []

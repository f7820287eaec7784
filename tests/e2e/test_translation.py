"""Every word of the page that is not somebody's own can be translated: it is marked, and reaches the page."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import require_program
from tests.server import ROOT, Server

from .browser import open_page, wait_for_state
from .page import open_voice_page, tool_card, type_message

# Names, what the server or the person says, and units.
OWN = (
    ".line p, .tool-name, .tool-does, pre, .phrase, code, kbd, h1, option:not([value='']), #latency, #timer, "
    "dd[data-metric], #said"
)
UNMARKED = r"""
(own) => {
  const words = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { parentElement, data } = walk.currentNode;
    if (!parentElement.closest(`script, style, noscript, ${own}`)) words.push(data);
  }
  for (const name of ["aria-label", "title", "placeholder"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) words.push(element.getAttribute(name));
  }
  // What is left without the sentences (one may reach over several nodes), and a model's name in brackets.
  const rest = words.join("\n").replace(/⟦[^⟧]*⟧/g, "").replace(/\([\w.-]+\)|Gemini|p50|p95|\bms\b|\bs\b/g, "");
  return rest.split("\n").filter((text) => /\p{Letter}/u.test(text));
}
"""


@pytest.fixture(scope="module")
def bracketed(tmp_path_factory) -> Path:
    """A locale in which every sentence stands in ⟦ ⟧."""
    require_program("gettext (apt install gettext)", "msgfmt")
    tree = tmp_path_factory.mktemp("translated")
    shutil.copytree(ROOT / "templates", tree / "templates")
    shutil.copytree(ROOT / "static/js", tree / "js")
    locale = tree / "locale"
    locale.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    for domain in ("django", "djangojs"):
        makemessages = [sys.executable, "-m", "django", "makemessages", "--locale=de", f"--domain={domain}"]
        subprocess.run(makemessages, cwd=tree, env=environment, check=True, capture_output=True)
        file = locale / "de/LC_MESSAGES" / f"{domain}.po"
        english = subprocess.run(["msgen", file], check=True, capture_output=True).stdout
        filtered = ["msgfilter", "--keep-header", "sed", "-e", "s/.*/⟦&⟧/"]
        file.write_bytes(subprocess.run(filtered, input=english, check=True, capture_output=True).stdout)
        subprocess.run(["msgfmt", "--check-format", "-o", file.with_suffix(".mo"), file], check=True)
    return locale


@pytest.fixture(scope="module")
def translated_server(make_server, bracketed) -> Server:
    return make_server(
        DJANGO_SETTINGS_MODULE="tests.e2e.translated_settings", LANGUAGE_CODE="de", TEST_LOCALE_PATH=str(bracketed)
    )


async def test_every_word_of_the_page_is_translated(translated_server):
    async with open_page() as page:
        await open_voice_page(page, translated_server)
        assert await page.get_attribute("html", "lang") == "de"
        assert await page.inner_text("#label") == "⟦Ready⟧"
        assert await page.evaluate(UNMARKED, OWN) == []
        await page.click("#open-settings")
        await page.locator("#settings[open]").wait_for()
        assert await page.evaluate(UNMARKED, OWN) == []
        await page.keyboard.press("Escape")
        await page.click("#open-metrics")
        await page.click("#start")
        await wait_for_state(page, "listening")
        await type_message(page, "What's the weather in Tokyo?")
        await tool_card(page, "get_weather", status="failed")
        await wait_for_state(page, "speaking")
        assert await page.evaluate(UNMARKED, OWN) == []
        await page.keyboard.press("Escape")
        await page.locator(".line-model[data-interrupted]").wait_for()
        assert await page.evaluate(UNMARKED, OWN) == []

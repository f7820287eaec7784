"""The page's sentences in the language of Django's catalog, and in English without it."""

from django.test import RequestFactory
from django.utils import translation
from django.views.i18n import JavaScriptCatalog

from .blank import open_blank

SENTENCES = """
async () => {
  const { gettext, ngettext, interpolate } = await import("/js/i18n.js");
  return [
    gettext("Choose all"),
    ngettext("%s selected option not visible", "%s selected options not visible", 1),
    ngettext("%s selected option not visible", "%s selected options not visible", 2),
    interpolate("%(name)s: %(count)s of %(count)s", { name: "a", count: 3 }),
    interpolate("100 % of %(name)s", { name: "%(count)s" }),
  ];
}
"""
FILLED = ["a: 3 of 3", "100 % of %(count)s"]


async def test_english_without_a_catalog():
    async with open_blank() as page:
        assert await page.evaluate("() => typeof globalThis.gettext") == "undefined"
        assert await page.evaluate(SENTENCES) == [
            "Choose all", "%s selected option not visible", "%s selected options not visible", *FILLED,
        ]  # fmt: skip


async def test_catalog_of_django():
    """The script of Django's own view, with Django's own German words."""
    with translation.override("de"):
        catalog = JavaScriptCatalog.as_view(packages=["django.contrib.admin"])(RequestFactory().get("/jsi18n/"))
    async with open_blank(script=catalog.text) as page:
        assert await page.evaluate(SENTENCES) == [
            "Alle auswählen", "%s ausgewählte Option nicht sichtbar", "%s ausgewählte Optionen nicht sichtbar", *FILLED,
        ]  # fmt: skip

"""What the voice page offers, and what its browser finds beside it."""

import posixpath
import re
from pathlib import Path

import httpx2
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.staticfiles import finders
from django.core.management import call_command

from sessions_app.emulator import voices as emulated
from sessions_app.gemini.settings import ModelSettings
from sessions_app.gemini.voices import LANGUAGES, VOICES
from tests.programs import require_program
from tests.server import Server, free_port
from tools_app.models import Tool
from tools_app.registry import ToolDefinition, temporary_tools

pytestmark = pytest.mark.django_db

M38, THINKING = "gemini-3.8-live", "gemini-3.8-live-extended-thinking"
LATEST = "gemini-2.5-flash-native-audio-latest"
GERMAN = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"
msgid "Listening"
msgstr "Ich höre zu"
"""


def options(client) -> dict:
    answer = client.get("/")
    assert answer.status_code == 200
    return answer.context["options"]


# --- Models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1beta", "v1alpha"])
def test_every_model_takes_what_is_offered_and_nothing_else(version, client, settings):
    """REST is asked, with each setting by itself."""
    settings.GEMINI_API_VERSION = version

    def is_taken(**body) -> bool:
        return client.post("/api/sessions", body, content_type="application/json").status_code == 200

    for model in options(client)["models"]:
        name = model["name"]
        needed = {"thinkingLevel": "low"} if model["thinkingRequired"] else {}
        assert is_taken(model=name, **needed), name
        assert is_taken(model=name) is not model["thinkingRequired"], name
        assert is_taken(model=name, **needed, affectiveDialog=True) is model["affective"], name
        takes = [is_taken(model=name, **needed, proactiveAudio=value) for value in (True, False)]
        assert takes == {"optional": [True, True], "always": [True, False], "never": [False, False]}[model["proactive"]]
        ways = {"level": {"thinkingLevel": "low"}, "budget": {"thinkingBudget": 0}}
        assert [way for way, setting in ways.items() if is_taken(model=name, **setting)] == model["thinking"], name


def test_models_are_those_that_this_server_can_dial(client):
    found = options(client)
    names = [model["name"] for model in found["models"]]
    assert names[0] == found["defaults"]["model"] == M38
    assert len(names) == len(set(names)) == 5
    assert "gemini-live-2.5-flash-native-audio" not in names  # Vertex AI has it, and this server does not dial that
    by_name = {model.pop("name"): model for model in found["models"]}
    assert by_name[M38] == {"affective": False, "proactive": "always", "thinking": [], "thinkingRequired": False}
    assert by_name[THINKING]["thinkingRequired"]
    assert by_name[LATEST] == {
        "affective": False, "proactive": "never", "thinking": ["budget"], "thinkingRequired": False,
    }  # fmt: skip


def test_the_servers_own_model_comes_first_also_where_nobody_knows_it(client, settings):
    settings.GEMINI_MODEL = "gemini-9-live"
    settings.GEMINI_VOICE = "Puck"
    found = options(client)
    assert found["defaults"] == {"model": "gemini-9-live", "voice": "Puck"}
    assert found["models"][0] == {
        "name": "gemini-9-live", "affective": True, "proactive": "optional", "thinking": ["level", "budget"],
        "thinkingRequired": False,
    }  # fmt: skip
    settings.GEMINI_MODEL = f"models/{LATEST}"
    names = [model["name"] for model in options(client)["models"]]
    assert names[0] == f"models/{LATEST}"
    assert LATEST not in names


def test_every_level_of_thinking_can_be_chosen(client):
    levels = options(client)["thinkingLevels"]
    assert levels == ["minimal", "low", "medium", "high"]
    for level in levels:
        assert ModelSettings.read({"thinkingLevel": level}).thinking_level == level


# --- Voices and languages -----------------------------------------------------------------------------------------


def test_the_emulator_speaks_with_every_voice_that_is_offered(client):
    assert VOICES.keys() == emulated.VOICES.keys()
    voices = options(client)["voices"]
    assert [voice["name"] for voice in voices] == list(VOICES)
    assert {"name": "Kore", "character": "Firm"} in voices
    assert len(voices) == 30


def test_a_language_has_a_code_and_a_name(client):
    languages = options(client)["languages"]
    assert {"code": "de-DE", "name": "German (Germany)"} in languages
    assert len({language["name"] for language in languages}) == len(languages) == len(LANGUAGES) == 30
    assert all(re.fullmatch(r"[a-z]{2,3}-[A-Z]{2}", language["code"]) for language in languages)
    assert [language["name"] for language in languages] == sorted(language["name"] for language in languages)


# --- Tools --------------------------------------------------------------------------------------------------------


def test_tools_are_those_that_are_switched_on_and_that_the_person_may_use(client):
    Tool.objects.create(name="get_weather", enabled=False)
    refund = ToolDefinition(
        name="refund", description="Refund an order. Say how much before.", parameters={"type": "object"},
        handler=lambda args: args, permission="auth.view_user", approval=True,
    )  # fmt: skip
    with temporary_tools(refund):
        names = {tool["name"] for tool in options(client)["tools"]}
        assert "execute_sql_query" in names
        assert not names & {"get_weather", "refund"}
        ada = get_user_model().objects.create_user("ada")
        ada.user_permissions.add(Permission.objects.get(codename="view_user"))
        client.force_login(ada)
        tools = {tool["name"]: tool for tool in options(client)["tools"]}
        assert tools["refund"] == {"name": "refund", "description": "Refund an order", "approval": True}
        assert tools["execute_sql_query"]["approval"] is False
        assert "get_weather" not in tools


def test_the_page_comes_though_the_database_is_away(environment, tmp_path):
    nobody = f"postgres://ada:secret@127.0.0.1:{free_port()}/gemlive"
    server = Server(free_port(), environment | {"DATABASE_URL": nobody}, tmp_path / "server.log", forked=True)
    server.start()
    try:
        page = httpx2.get(server.url, headers={"Cookie": "sessionid=of-a-person"})
    finally:
        server.stop()
    assert page.status_code == 200
    assert 'id="start"' in page.text
    assert "The page offers no tools, because the database is away" in server.log.read_text()


# --- Beside the page ----------------------------------------------------------------------------------------------


def imports(path: str, found: set[str]) -> set[str]:
    """Every module that `path` imports, directly or not, by its static path."""
    for name in re.findall(r"""["'](\.{1,2}/[\w./-]+\.js)["']""", Path(finders.find(path)).read_text()):
        module = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if module not in found:
            found.add(module)
            imports(module, found)
    return found


def test_modules_are_all_that_the_page_imports(client):
    modules = client.get("/").context["modules"]
    assert modules == sorted(imports("js/app.js", set()))
    assert len(modules) > 5


def test_browsers_find_an_icon_where_they_look_for_one(client):
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    assert finders.find(answer["Location"].removeprefix("/static/")).endswith(".svg")


def test_sentences_of_the_scripts_come_in_the_servers_language(client, settings, tmp_path, monkeypatch):
    require_program("gettext (apt install gettext)", "msgfmt")
    (tmp_path / "locale/de/LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "locale/de/LC_MESSAGES/djangojs.po").write_text(GERMAN)
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    monkeypatch.chdir(tmp_path)
    call_command("compilemessages", verbosity=0)
    assert "Ich h" not in client.get("/jsi18n").text

    settings.LANGUAGE_CODE = "de"
    answer = client.get("/jsi18n", headers={"accept-language": "fr"})
    assert answer["Content-Type"].startswith("text/javascript")
    assert '"Listening": "Ich h\\u00f6re zu"' in answer.text
    assert "Yesterday" not in answer.text  # the admin's own sentences stay in the admin
    again = client.get("/jsi18n", headers={"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")

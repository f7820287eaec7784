"""What a person chooses reaches the model, is kept, and takes hold in the midst of a conversation."""

import json

import pytest

from .browser import open_page, wait_for_state
from .page import choose, lines, open_voice_page, type_message, until
from .streams import KEEP_STREAMS, live_tracks

NATIVE = "gemini-2.5-flash-native-audio-latest"
THINKING = "gemini-3.8-live-extended-thinking"
DEFAULTS = {"model": "gemini-3.8-live", "voice": "Kore", "activityDetection": "automatic"}
"""What is told always: a session remembers its model and voice, and how it listens."""


@pytest.fixture(scope="module")
def expressive_server(make_server):
    """Speaks the API version in which 2.5 can be asked for more than words."""
    return make_server(GEMINI_API_VERSION="v1alpha")


async def ask_who(page) -> None:
    before = len(await lines(page, speaker="model"))
    await type_message(page, "Who are you?")
    await page.locator(".line-model").nth(before).wait_for()


async def shown(page, *names: str) -> list[bool]:
    return [await page.locator(f"#settings [name={name}]").is_visible() for name in names]


def connects(wire) -> list[dict]:
    return [message["data"] for message in wire.sent if message["type"] == "connect"]


async def test_every_choice_reaches_the_model_and_is_kept(expressive_server, emulator):
    choices = {
        "model": NATIVE, "voice": "Puck", "language": "de-DE", "systemInstruction": "You are a pirate.",
        "thinkingBudget": "128", "affectiveDialog": True, "proactiveAudio": True,
    }  # fmt: skip
    async with open_page() as page:
        wire = await open_voice_page(page, expressive_server)
        special = ["affectiveDialog", "proactiveAudio", "thinkingLevel", "thinkingBudget"]
        await page.click("#open-settings")
        assert await shown(page, *special) == [False, False, False, False]  # of the server's own model
        assert await page.locator("#always-proactive").is_visible()
        await page.select_option("[name=model]", THINKING)
        assert await shown(page, *special) == [False, False, True, False]
        await page.select_option("[name=model]", NATIVE)
        assert await shown(page, *special) == [True, True, False, True]
        await page.uncheck("#settings [name=tool][value=get_weather]")
        await page.keyboard.press("Escape")
        await page.locator("#settings").wait_for(state="hidden")
        await page.click("#open-settings")
        assert await page.input_value("[name=model]") == ""
        await page.fill("[name=systemInstruction]", "Forget this.")
        await page.click("#settings-cancel")
        assert await page.evaluate("() => localStorage.length") == 0

        await choose(page, **choices)
        await page.click("#open-settings")
        await page.uncheck("#settings [name=tool][value=get_weather]")
        await page.get_by_role("button", name="Save").click()
        await ask_who(page)
        (told,) = connects(wire)
        offered = await page.evaluate("() => JSON.parse(document.getElementById('options').textContent).tools")
        assert told.pop("tools") == [tool["name"] for tool in offered if tool["name"] != "get_weather"]
        assert told == {**choices, "thinkingBudget": 128, "activityDetection": "automatic"}
        setup = emulator.sessions[-1].setup
        generation = setup["generationConfig"]
        assert setup["model"] == f"models/{NATIVE}"
        assert generation["speechConfig"]["voiceConfig"] == {"prebuiltVoiceConfig": {"voiceName": "Puck"}}
        assert generation["speechConfig"]["languageCode"] == "de-DE"
        assert generation["thinkingConfig"] == {"thinkingBudget": 128}
        assert generation["enableAffectiveDialog"] is True
        assert setup["proactivity"] == {"proactiveAudio": True}
        assert setup["systemInstruction"]["parts"][0]["text"].startswith("You are a pirate.")
        declared = {tool["name"] for each in setup["tools"] for tool in each["functionDeclarations"]}
        assert "get_analytics" in declared
        assert "get_weather" not in declared

        await page.reload()
        await page.click("#open-settings")
        for name, value in choices.items():
            field = page.locator(f"#settings [name={name}]")
            assert value == (await field.is_checked() if isinstance(value, bool) else await field.input_value())
        assert not await page.is_checked("#settings [name=tool][value=get_weather]")

        # What the next model does not take is not sent; what it must have is.
        await page.select_option("[name=model]", THINKING)
        await page.get_by_role("button", name="Save").click()
        await ask_who(page)
        told = connects(wire)[-1]
        assert (told["model"], told["thinkingLevel"]) == (THINKING, "low")
        assert not {"affectiveDialog", "proactiveAudio", "thinkingBudget"} & told.keys()
        assert emulator.sessions[-1].setup["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}

        await page.click("#open-settings")
        await page.get_by_role("button", name="Defaults").click()
        await page.get_by_role("button", name="Save").click()
        await until(lambda: len(connects(wire)) == 3)
        assert connects(wire)[-1] == DEFAULTS
        await wait_for_state(page, "listening")
        assert emulator.sessions[-1].setup["model"] == "models/gemini-3.8-live"
        assert len(set(wire.urls)) == 1


async def test_the_conversation_goes_on_with_other_settings(server, emulator):
    async with open_page() as page:
        await page.add_init_script(KEEP_STREAMS)
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await ask_who(page)
        await page.click("#mute")
        sent = len(wire.sent_frames)
        await choose(page, voice="Puck")
        await until(lambda: len(connects(wire)) == 2)
        await wait_for_state(page, "listening")
        statuses = [message["data"] for message in wire.received if message["type"] == "status"]
        assert (statuses[-1]["resumed"], statuses[-1]["voice"]) == (True, "Puck")
        assert len(set(wire.urls)) == 1
        # Who has muted himself stays so; and the microphone is the one from the beginning.
        assert await page.inner_text("#label") == "Muted"
        assert len(wire.sent_frames) - sent < 10
        await page.click("#mute")
        await until(lambda: len(wire.sent_frames) > sent + 20)
        assert await live_tracks(page) == [True]
        assert await lines(page, speaker="user") == ["Who are you?"]

        # The same choices again leave everything as it is.
        await choose(page, voice="Puck")
        await ask_who(page)
        assert len(wire.urls) == 2

        reason = "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent."
        fault = emulator.faults.add("close", at="setup", code=1008, reason=reason, times=1)
        await choose(page, model="gemini-3.1-flash-live-preview")
        await wait_for_state(page, "error")
        emulator.faults.remove(fault)
        said = next(message["data"]["reason"] for message in wire.received if message["data"].get("status") == "ERROR")
        await page.locator("#notice:not([hidden])", has_text=said).wait_for()
        await page.locator("#notice").get_by_role("button", name="Settings").click()
        assert await page.input_value("[name=model]") == "gemini-3.1-flash-live-preview"
        await page.select_option("[name=model]", "")
        await page.get_by_role("button", name="Save").click()
        await page.click("#start")
        await wait_for_state(page, "listening")
        assert await lines(page, speaker="user") == ["Who are you?", "Who are you?"]
        assert len(set(wire.urls)) == 1
        await ask_who(page)


STORED = [
    "{", "null", "5", '"text"', "[1]",
    json.dumps({"toolsOff": None, "keys": "no", "systemInstruction": 5, "microphone": {}, "length": 1, "elements": ""}),
    json.dumps({"toolsOff": [7, None], "voice": None, "thinkingBudget": True, "activityDetection": ["manual"]}),
    json.dumps(
        {"model": "gone", "voice": "Nobody", "language": "xx", "thinkingLevel": "extreme", "thinkingBudget": "much",
         "activityDetection": "telepathy", "toolsOff": ["gone"], "affectiveDialog": True, "camera": "gone"}
    ),
]  # fmt: skip
NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("forbidden", "SecurityError"); } });
"""


async def test_what_is_stored_does_not_break_the_page(server):
    async with open_page() as page:
        wire = await open_voice_page(page, server)
        for number, stored in enumerate(STORED):
            await page.evaluate("(stored) => localStorage.setItem('gemlive.settings', stored)", stored)
            await page.reload()
            await page.locator("body[data-ready]").wait_for()
            await page.click("#open-settings")
            assert await page.is_checked("#settings [name=keys]")
            await page.click("#settings-cancel")
            await page.evaluate("() => sessionStorage.clear()")
            await type_message(page, "Who are you?")
            await until(lambda: len(connects(wire)) > number)  # noqa: B023
            assert connects(wire)[-1] == DEFAULTS
            await page.click("#end")
        await choose(page, voice="Puck")
        await ask_who(page)
        assert connects(wire)[-1] == {**DEFAULTS, "voice": "Puck"}
        kept = json.loads(await page.evaluate("() => localStorage.getItem('gemlive.settings')"))
        assert kept["toolsOff"] == ["gone"]  # it may come back


async def test_without_storage_a_choice_holds_until_the_page_is_left(server):
    async with open_page() as page:
        await page.add_init_script(NO_STORAGE)
        wire = await open_voice_page(page, server)
        await choose(page, voice="Puck")
        await ask_who(page)
        assert connects(wire)[-1] == {**DEFAULTS, "voice": "Puck"}
        await page.click("#end")
        await wait_for_state(page, "idle")

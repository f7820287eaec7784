"""The table of models, and the sentences by which a setting is refused."""

import pytest

from sessions_app.gemini.models import MODELS, capabilities, problems
from sessions_app.gemini.settings import NAMES, ModelSettings, WrongSetting
from sessions_app.gemini.setup import LiveSetup

M38, THINKING = "gemini-3.8-live", "gemini-3.8-live-extended-thinking"
M31 = "gemini-3.1-flash-live-preview"
M25, LATEST = "gemini-2.5-flash-native-audio-preview-12-2025", "gemini-2.5-flash-native-audio-latest"
VERTEX = "gemini-live-2.5-flash-native-audio"
NEEDS = f'{THINKING} needs thinkingLevel or thinkingBudget. Give one of the two, such as "thinkingLevel": "low".'


def refused(model: str, version: str = "v1beta", **settings) -> list[tuple[str, str]]:
    found = problems(model, ModelSettings(**settings), version)
    return [(problem.setting, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("model", "settings", "setting", "message"),
    [
        (M38, {"thinking_level": "low"}, "thinkingLevel",
         f"{M38} does not take thinkingLevel. Leave it out, or choose one of: {M31}, {THINKING}."),
        (M31, {"thinking_budget": 0}, "thinkingBudget",
         f"{M31} does not take thinkingBudget. Leave it out, or choose one of: {LATEST}, {M25}, {THINKING}."),
        (THINKING, {}, "thinkingLevel", NEEDS),
        (f"models/{THINKING}", {}, "thinkingLevel", NEEDS),
        (THINKING, {"thinking_level": "low", "thinking_budget": 0}, "thinkingLevel",
         f"{THINKING} takes either thinkingLevel or thinkingBudget. Leave one of the two out."),
        (M38, {"affective_dialog": True}, "affectiveDialog",
         f"{M38} does not take affectiveDialog. Leave it out, or choose one of: {LATEST} (with "
         f"GEMINI_API_VERSION=v1alpha), {M25} (with GEMINI_API_VERSION=v1alpha)."),
        (M31, {"proactive_audio": True}, "proactiveAudio",
         f"{M31} does not take proactiveAudio. Leave it out, or choose one of: {LATEST} (with "
         f"GEMINI_API_VERSION=v1alpha), {M25} (with GEMINI_API_VERSION=v1alpha), {M38}, {THINKING}."),
        (M38, {"proactive_audio": False}, "proactiveAudio",
         f"{M38} does not take proactiveAudio false: it is always on. Leave it out, or choose one of: {LATEST} (with "
         f"GEMINI_API_VERSION=v1alpha), {M25} (with GEMINI_API_VERSION=v1alpha)."),
        (M25, {"affective_dialog": True}, "affectiveDialog",
         f"{M25} takes affectiveDialog only by the API version v1alpha, and this server speaks v1beta. "
         "Leave it out, or set GEMINI_API_VERSION=v1alpha on the server."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_setting_and_the_models_that_take_it(model, settings, setting, message):
    assert refused(model, **settings) == [(setting, message)]


def test_every_refused_setting_is_named():
    assert [setting for setting, _ in refused(M38, thinking_level="low", thinking_budget=1, affective_dialog=True)] == [
        "thinkingLevel", "thinkingBudget", "affectiveDialog",
    ]  # fmt: skip


def test_what_we_do_not_know_is_left_to_gemini():
    every = {"thinking_level": "low", "thinking_budget": 1, "affective_dialog": True, "proactive_audio": False}
    assert refused("gemini-9-live", **every) == []
    assert capabilities("gemini-9-live") == capabilities("models/gemini-9-live")
    assert VERTEX not in str(refused(M38, affective_dialog=True))
    assert refused(VERTEX, affective_dialog=True, proactive_audio=True) == []


@pytest.mark.parametrize("model", MODELS)
def test_temperature_and_activity_detection_are_everybodys(model):
    alone = [] if model != THINKING else [("thinkingLevel", NEEDS)]
    assert refused(model, temperature=0.5, activity_detection="manual") == alone


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"thinkingLevel": "extreme"}, "thinkingLevel is one of minimal, low, medium, high."),
        ({"thinkingLevel": "low\n"}, "thinkingLevel is one of minimal, low, medium, high."),
        ({"thinkingBudget": True}, "thinkingBudget is a whole number of tokens, or -1."),
        ({"thinkingBudget": -2}, "thinkingBudget is a whole number of tokens, or -1."),
        ({"thinkingBudget": 2**31}, "thinkingBudget is a whole number of tokens, or -1."),
        ({"affectiveDialog": "true"}, "affectiveDialog is true or false."),
        ({"proactiveAudio": 1}, "proactiveAudio is true or false."),
        ({"temperature": 2.1}, "temperature is a number from 0 to 2."),
        ({"temperature": float("nan")}, "temperature is a number from 0 to 2."),
        ({"activityDetection": "sometimes"}, "activityDetection is automatic or manual."),
        ([], "These settings cannot be read: Expected `object`, got `array`."),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(WrongSetting) as caught:
        ModelSettings.read(given)
    assert str(caught.value) == sentence


def test_settings_are_stored_by_their_names_on_the_wire_and_read_again():
    given = dict(zip(NAMES, ["LOW", 0, False, True, 0.0, "manual"], strict=True))
    assert ModelSettings.read(given).given() == given
    assert ModelSettings.read(dict.fromkeys(NAMES)).given() == {}


def test_settings_override_others_one_by_one():
    stored = ModelSettings(thinking_level="low", temperature=1.5, proactive_audio=True)
    assert ModelSettings(temperature=0.0).over(stored).given() == {
        "thinkingLevel": "low", "proactiveAudio": True, "temperature": 0.0,
    }  # fmt: skip
    assert ModelSettings(thinking_budget=0).over(stored).given() == {
        "thinkingBudget": 0, "proactiveAudio": True, "temperature": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "asked", "blocking"),
    [
        (M38, None, False), (M38, "BLOCKING", True), (M38, "NON_BLOCKING", False),
        (THINKING, None, False), (THINKING, "BLOCKING", False), (THINKING, "NON_BLOCKING", False),
        (M31, None, True), (M31, "BLOCKING", True), (M31, "NON_BLOCKING", True),
        (M25, None, True), (M25, "BLOCKING", True), (M25, "NON_BLOCKING", False),
        ("gemini-9-live", None, True), ("gemini-9-live", "NON_BLOCKING", False),
    ],
)  # fmt: skip
def test_a_tool_blocks_as_it_asks_where_the_model_can(model, asked, blocking):
    tool = {"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}, "scheduling": "SILENT"}
    setup = LiveSetup(model=f"models/{model}", tools=[tool | ({"behavior": asked} if asked else {})])
    assert setup.is_blocking("t") is blocking
    assert setup.scheduling("t") == (None if blocking else "SILENT")
    assert setup.is_blocking("no_such_tool") is (capabilities(model).behavior == "BLOCKING")
    assert setup.scheduling("no_such_tool") is None

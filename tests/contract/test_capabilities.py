"""Our table of models against the emulator's own: what we refuse it refuses, what we allow it takes."""

import asyncio

import pytest

from sessions_app.emulator import profiles
from sessions_app.emulator.config import declared_tools
from sessions_app.gemini.connection import GeminiEndpoint, connect
from sessions_app.gemini.errors import CONNECTION_ERRORS
from sessions_app.gemini.models import MODELS, capabilities, problems
from sessions_app.gemini.settings import ModelSettings
from sessions_app.gemini.setup import LiveSetup
from tests.waiting import GIVE_UP_SECONDS

M31 = "gemini-3.1-flash-live-preview"
DIALLED = [name for name, known in MODELS.items() if not known.vertex_only]
EACH = {
    "thinking_level": [None, "minimal", "Low", "medium", "HIGH"],
    "thinking_budget": [None, 0, 1024],
    "affective_dialog": [None, True, False],
    "proactive_audio": [None, True, False],
    "temperature": [None, 0.0, 2.0],
    "activity_detection": [None, "automatic", "manual"],
}
# Each value by itself, and with a way of thinking, which one model requires.
ALONE = [{name: value} for name, values in EACH.items() for value in values if value is not None]
THOUGHTFUL = [{"thinking_level": "low"} | setting for setting in ALONE]
SETTINGS = [{}, *ALONE, *(setting for setting in THOUGHTFUL if setting not in ALONE)]


@pytest.fixture
def dialled(shared_emulator):
    """`async with dialled(setup, version)`: connected as the server connects."""

    def dial(setup: LiveSetup, version: str):
        endpoint = GeminiEndpoint(
            api_key="test",
            base_url=shared_emulator.url,
            ca_file=str(shared_emulator.ca_file),
            api_version=version,
        )
        return connect(endpoint.client(), setup, handle=None, timeout=GIVE_UP_SECONDS)

    return dial


@pytest.mark.parametrize("version", ["v1beta", "v1alpha"])
@pytest.mark.parametrize("model", DIALLED)
async def test_a_setting_is_refused_here_exactly_where_gemini_would_refuse_it(dialled, model, version):
    for given in SETTINGS:
        settings = ModelSettings(**given)
        try:
            async with dialled(LiveSetup(model=model, settings=settings), version):
                taken = True
        except CONNECTION_ERRORS:
            taken = False
        found = problems(model, settings, version)
        assert taken == (not found), (given, found)


@pytest.mark.parametrize("behavior", [None, "BLOCKING", "NON_BLOCKING"])
@pytest.mark.parametrize("model", DIALLED)
async def test_a_tool_behaves_on_a_model_as_we_think_it_does(shared_emulator, dialled, model, behavior):
    tool = {"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}}
    thinking = {"thinking_level": "low"} if capabilities(model).thinking_required else {}
    setup = LiveSetup(
        model=model,
        tools=[tool | ({"behavior": behavior} if behavior else {})],
        settings=ModelSettings(**thinking),
    )
    async with dialled(setup, "v1beta"):
        received = shared_emulator.sessions[-1].setup
    profile = profiles.profile_for(received, profiles.GEMINI, "v1beta")
    assert declared_tools(received["tools"], profile) == {"t": "BLOCKING" if setup.is_blocking("t") else "NON_BLOCKING"}


@pytest.mark.parametrize(("model", "scheduling"), [("gemini-3.8-live", "WHEN_IDLE"), (M31, None)])
async def test_an_answer_says_when_to_speak_of_it_where_the_model_has_not_waited(
    shared_emulator, dialled, model, scheduling
):
    city = {"type": "object", "properties": {"location": {"type": "string"}}}
    tool = {"name": "get_weather", "description": "Weather.", "parameters": city, "scheduling": "WHEN_IDLE"}
    setup = LiveSetup(model=model, tools=[tool])
    async with asyncio.timeout(GIVE_UP_SECONDS), dialled(setup, "v1beta") as gemini:
        await gemini.send_text("What's the weather in Paris?")
        async for message in gemini:
            if message.tool_call:
                [call] = message.tool_call.function_calls
                answer = (call.id, call.name, {"temperature": 21}, setup.scheduling(call.name))
                await gemini.send_tool_response([answer])
            elif message.server_content and message.server_content.turn_complete:
                break
        [sent] = shared_emulator.sessions[-1].messages("toolResponse")
    [response] = sent["functionResponses"]
    assert response.get("scheduling") == scheduling


@pytest.mark.parametrize("model", MODELS)
def test_both_tables_know_the_same_of_a_model(model):
    ours, theirs = MODELS[model], profiles.MODELS[model]
    assert ours.behaviors == theirs.behaviors
    assert ours.behavior == theirs.behavior
    assert (ours.thinking, ours.thinking_required) == (theirs.thinking, theirs.thinking_required)
    assert ours.affective == theirs.expressive
    assert ours.proactive == (theirs.expressive or theirs.always_proactive)
    assert ours.always_proactive == theirs.always_proactive
    assert (ours.seeding == "history") == theirs.seeds_history
    assert ours.vertex_only == (profiles.GEMINI not in theirs.apis)

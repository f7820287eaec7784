"""Settings of the model and behaviour of tools: from REST and `connect` to Gemini's setup, or refused before it."""

import pytest

from sessions_app.models import LiveSession
from tests.integration.caller import Caller
from tools_app.registry import temporary_tools, tool

pytestmark = pytest.mark.django_db(transaction=True)

M38, THINKING = "gemini-3.8-live", "gemini-3.8-live-extended-thinking"
M31, LATEST = "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"
NOT_TAKEN = f"{M38} does not take thinkingLevel. Leave it out, or choose one of: {M31}, {THINKING}."
NEEDED = f'{THINKING} needs thinkingLevel or thinkingBudget. Give one of the two, such as "thinkingLevel": "low".'


def post(client, **body):
    return client.post("/api/sessions", body, content_type="application/json")


async def apost(client, **body) -> str:
    """The id of the new session."""
    answer = await client.post("/api/sessions", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()["sessionId"]


# --- REST ---------------------------------------------------------------------------------------------------------


def test_settings_are_stored_by_their_names(client):
    given = {"thinkingBudget": 512, "temperature": 0.5, "activityDetection": "manual"}
    answer = post(client, model=LATEST, voice="Puck", thinkingLevel=None, **given)
    session = LiveSession.objects.get(pk=answer.json()["sessionId"])
    assert (session.model, session.voice, session.model_settings) == (LATEST, "Puck", given)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"thinkingLevel": "low"}, {"thinkingLevel": [NOT_TAKEN]}),
        ({"model": THINKING}, {"thinkingLevel": [NEEDED]}),
        (
            {"model": LATEST, "proactiveAudio": True},
            {"proactiveAudio": [
                f"{LATEST} takes proactiveAudio only by the API version v1alpha, and this server speaks v1beta. "
                "Leave it out, or set GEMINI_API_VERSION=v1alpha on the server."
            ]},
        ),
        (
            {"thinkingLevel": "extreme", "temperature": "hot", "thinkingBudget": 1.5, "activityDetection": []},
            {
                "thinkingLevel": ["thinkingLevel is one of minimal, low, medium, high."],
                "temperature": ["temperature is a number from 0 to 2."],
                "thinkingBudget": ["thinkingBudget is a whole number of tokens, or -1."],
                "activityDetection": ["activityDetection is automatic or manual."],
            },
        ),
    ],
)  # fmt: skip
def test_a_refused_setting_is_a_400_that_names_it_and_creates_nothing(client, body, refusal):
    answer = post(client, **body)
    assert (answer.status_code, answer.json()["fields"]) == (400, refusal)
    assert LiveSession.objects.count() == 0


def test_the_servers_default_model_is_asked_too(client, settings):
    settings.GEMINI_MODEL = THINKING
    assert list(post(client).json()["fields"]) == ["thinkingLevel"]
    assert post(client, thinkingLevel="LOW").status_code == 200
    assert post(client, model=M38).status_code == 200


def test_the_servers_api_version_is_asked_too(client, settings):
    settings.GEMINI_API_VERSION = "v1alpha"
    assert post(client, model=LATEST, proactiveAudio=True, affectiveDialog=True).status_code == 200


# --- To Gemini ----------------------------------------------------------------------------------------------------


async def test_settings_of_the_session_and_of_connect_reach_gemini(gemini, async_client):
    session_id = await apost(async_client, model=M31, thinkingLevel="low", temperature=0.5, activityDetection="manual")
    async with Caller(session_id) as caller:
        await caller.converse(thinkingLevel="High")
        setup = gemini.sessions[-1].setup
    assert setup["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}
    assert setup["generationConfig"]["temperature"] == 0.5
    assert setup["realtimeInputConfig"] == {"automaticActivityDetection": {"disabled": True}}


async def test_expressive_settings_reach_gemini(gemini, async_client, settings):
    settings.GEMINI_API_VERSION = "v1alpha"
    session_id = await apost(async_client, model=LATEST, affectiveDialog=True, proactiveAudio=False, thinkingBudget=0)
    async with Caller(session_id) as caller:
        await caller.converse()
        setup = gemini.sessions[-1].setup
    assert setup["generationConfig"]["enableAffectiveDialog"] is True
    assert setup["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 0}
    assert setup["proactivity"] == {"proactiveAudio": False}


async def test_what_is_always_on_may_be_asked_for_by_every_api_version(gemini, async_client):
    async with Caller(await apost(async_client, proactiveAudio=True)) as caller:
        await caller.converse()
        assert "proactivity" not in gemini.sessions[-1].setup


@pytest.mark.parametrize(
    ("refused", "setting", "accepted"),
    [
        ({"thinkingLevel": "low"}, "thinkingLevel", {}),
        ({"model": THINKING}, "thinkingLevel", {"model": THINKING, "thinkingBudget": 100}),
    ],
)
async def test_connect_is_refused_before_gemini_is_dialled_and_the_session_lives(gemini, refused, setting, accepted):
    session = await LiveSession.objects.acreate()
    before = [dialled.number for dialled in gemini.all_sessions]
    async with Caller(session.pk) as caller:
        await caller.send("connect", **refused)
        error = (await caller.until("error"))["data"]
        assert (error["code"], error["retryable"]) == ("setting_refused", False)
        assert setting in error["message"]
        assert (await caller.until("status", status="ERROR"))["data"]["reason"] == error["message"]
        assert [dialled.number for dialled in gemini.all_sessions] == before
        await caller.converse(**accepted)
        await caller.ask("hello")


async def test_stored_settings_that_no_model_takes_are_refused_in_words(gemini):
    session = await LiveSession.objects.acreate(model_settings={"temperature": 7})
    async with Caller(session.pk) as caller:
        await caller.send("connect")
        error = (await caller.until("error"))["data"]
        assert error["code"] == "setting_refused"
        assert error["message"] == "temperature is a number from 0 to 2. Create a new session."


@pytest.mark.parametrize(
    ("model", "declared"),
    [
        (M38, {"slow": "NON_BLOCKING", "careful": "BLOCKING", "plain": None}),
        (M31, {"slow": None, "careful": "BLOCKING", "plain": None}),
        (LATEST, {"slow": "NON_BLOCKING", "careful": "BLOCKING", "plain": None}),
    ],
)
async def test_the_behaviour_of_tools_reaches_gemini_where_the_model_takes_it(gemini, model, declared):
    with temporary_tools():

        @tool(behavior="NON_BLOCKING", scheduling="WHEN_IDLE")
        def slow() -> str:
            """Takes its time."""
            return "done"

        @tool(behavior="BLOCKING")
        def careful() -> str:
            """Has to be waited for."""
            return "done"

        @tool
        def plain() -> str:
            """Leaves it to the model."""
            return "done"

        session = await LiveSession.objects.acreate(model=model, allowed_tools=list(declared))
        async with Caller(session.pk) as caller:
            await caller.converse()
            [tools] = gemini.sessions[-1].setup["tools"]
    assert {function["name"]: function.get("behavior") for function in tools["functionDeclarations"]} == declared
    assert "scheduling" not in str(tools)

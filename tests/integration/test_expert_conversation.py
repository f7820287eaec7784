"""A question that the model hands on to the expert, and the expert's answer, spoken: both by the emulator."""

import asyncio

import pytest
from django.contrib.auth import get_user_model

from sessions_app.models import DailyUse, LiveSession
from tests.integration.caller import Caller
from tests.waiting import GIVE_UP_SECONDS
from tools_app import caching
from tools_app.budget import DailyBudget
from tools_app.executor import ToolExecutor
from tools_app.models import ToolCall

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_cache():
    caching.shared_cache.cache_clear()
    caching.shared_cache().clear()
    yield
    caching.shared_cache.cache_clear()


async def test_the_experts_answer_is_spoken(gemini):
    session = await LiveSession.objects.acreate(user_label="ada")
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("Ask the expert why the sky is blue")
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while "scatters" not in caller.said(by_user=False):
                await caller.until("transcription")
        await session.arefresh_from_db()
    [call], [result] = caller.of_type("function_call"), caller.of_type("function_result")
    assert (call["name"], call["args"]) == ("ask_expert", {"question": "Why is the sky blue?"})
    assert (result["callId"], result["status"]) == (call["callId"], "ok")
    assert caller.said(by_user=False).startswith("The expert says: The sky is blue because")
    row = await ToolCall.objects.aget(session=session)
    assert row.result["model"] == "gemini-3.8-flash"
    # Of this process's own meter nothing is written yet: what is counted is the expert's.
    use = await DailyUse.objects.aget(holder=session.held_by)
    spent = caching.shared_cache().get(DailyBudget("expert", 1).key)
    assert use.tokens == spent > 0
    assert use.tokens * 0.75 < use.micros < use.tokens * 3.75
    assert use.seconds == 0


async def test_its_tokens_are_those_of_who_called_it_outside_a_conversation(gemini):
    ada = await get_user_model().objects.acreate(username="ada")
    for user_id in (ada.pk, None):
        executor = ToolExecutor(session_id=None, user_id=user_id, allowed=None)
        assert (await executor.call("call-1", "ask_expert", {"question": "Why is the sky blue?"})).status == "ok"
        await executor.close()
    spent = caching.shared_cache().get(DailyBudget("expert", 1).key)
    assert [(use.holder, use.tokens * 2) async for use in DailyUse.objects.all()] == [(f"user:{ada.pk}", spent)]


async def test_an_expert_whose_budget_is_spent_is_spoken_of(gemini, settings):
    settings.EXPERT_DAILY_TOKENS = 1
    session = await LiveSession.objects.acreate(user_label="ada")
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("Ask an expert about the theory of everything")
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while "ask again tomorrow" not in caller.said(by_user=False):
                await caller.until("transcription")
    assert caller.of_type("function_call")[0]["args"] == {"question": "the theory of everything"}

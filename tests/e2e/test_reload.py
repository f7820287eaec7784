"""The page is loaded anew in the midst of a conversation, which goes on from where it stood."""

import httpx2

from .browser import open_page, wait_for_state
from .page import lines, open_voice_page, tool_card, type_message, until


async def test_what_was_said_is_back_and_start_goes_on(server):
    async with open_page() as page:
        wire = await open_voice_page(page, server)
        await type_message(page, "What's the weather in Berlin?")
        card = await tool_card(page, "get_weather")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        await page.keyboard.press("Escape")
        unheard = page.locator(".line-model[data-interrupted] s")
        await unheard.wait_for()
        story = (await lines(page, speaker="model"))[1]
        # What was heard is written after the turn.
        session = wire.session_id
        await until(lambda: len(server.session(session)["transcript"]) == 4)
        await until(lambda: server.session(session)["transcript"][3]["heardMs"])

        await page.reload()
        await wait_for_state(page, "idle")
        await page.locator(".line-model").nth(1).wait_for()
        assert await page.inner_text("#hint") == "Press Start to go on where you stopped"
        assert await lines(page, speaker="user") == ["What's the weather in Berlin?", "Tell me a long story"]
        assert (await lines(page, speaker="model"))[1] == story
        assert 0 < len(await unheard.text_content()) < len(story)
        assert (await tool_card(page, "get_weather"))["arguments"] == card["arguments"]
        kinds = "() => [...document.querySelectorAll('#transcript > li')].map((li) => li.className.split(' ').at(-1))"
        assert await page.evaluate(kinds) == ["line-user", "tool", "line-model", "line-user", "line-model"]

        await page.click("#start")
        await wait_for_state(page, "listening")
        status = [message["data"] for message in wire.received if message["type"] == "status"][-1]
        assert status["resumed"] is True
        assert wire.session_id == session
        await page.click("#pause")
        await type_message(page, "What did I say before?")
        await page.locator(".line-model", has_text="Tell me a long story").wait_for()
        assert len(await lines(page, speaker="user")) == 3

        await page.click("#end")
        await wait_for_state(page, "idle")
        await page.reload()
        await page.locator("body[data-ready]").wait_for()
        assert await page.inner_text("#hint") == "Press Start and speak, or type"
        await type_message(page, "Who are you?")
        await page.locator(".line-model").wait_for()
        assert wire.session_id != session

        # It ends elsewhere while nobody looks: the page does not offer it.
        await page.goto("about:blank")
        httpx2.delete(f"{server.url}/api/sessions/{wire.session_id}").raise_for_status()
        ended = wire.session_id
        await page.goto(server.url)
        while await page.evaluate("() => sessionStorage.length"):
            await page.evaluate("() => new Promise(requestAnimationFrame)")
        assert await lines(page, speaker="user") == []
        await type_message(page, "Who are you?")
        await page.locator(".line-model").wait_for()
        assert wire.session_id != ended

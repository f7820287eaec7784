"""Questions to a text model, which knows more than the model that talks, within a budget of tokens a day.

https://ai.google.dev/gemini-api/docs/text-generation
"""

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Annotated, Any

import httpx2
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from pydantic import Field

from ..budget import BudgetSpent, DailyBudget
from ..context import ToolContext
from ..exceptions import ToolError
from ..registry import tool
from ..running import in_database
from ..signals import tokens_used

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

logger = logging.getLogger(__name__)

TIMEOUT = 45.0
# Tokens of what is around a question, at most. A token is a byte or more, so a text has no more tokens than bytes.
OVERHEAD = 100
INSTRUCTION = (
    "You are an expert whom a voice assistant asks on behalf of a user. Answer in the language of the question, "
    "correctly and in a few spoken sentences, without lists, markup or links. Say so if you do not know."
)
REFUSALS = {
    400: "refused the question as it was sent; ask it in other words",
    401: "refused this server's key; an administrator must check GEMINI_API_KEY",
    403: "refused this server's key; an administrator must check GEMINI_API_KEY",
    404: "is not known to the service; an administrator must check EXPERT_MODEL",
    429: "has too many questions at the moment; try again in a few minutes",
}


@tool(timeout=TIMEOUT + 10, behavior="NON_BLOCKING", scheduling="WHEN_IDLE")
async def ask_expert(
    asked_in: ToolContext,
    question: Annotated[str, Field(description="The whole question, in words.", min_length=1, max_length=2000)],
    context: Annotated[
        str | None, Field(description="What the expert must know of the conversation.", max_length=8000)
    ] = None,
) -> dict:
    """Ask an expert a difficult question of general knowledge, science or reasoning; takes some seconds."""
    if settings.EXPERT_DAILY_TOKENS <= 0:
        raise ToolError(
            "The expert is switched off on this server; an administrator can set EXPERT_DAILY_TOKENS to change that."
        )
    if not settings.GEMINI_API_KEY:
        raise ToolError("The expert has no key on this server; an administrator must set GEMINI_API_KEY.")
    texts = [f"Context: {context}"] if context else []
    texts.append(question)
    budget = DailyBudget("expert", settings.EXPERT_DAILY_TOKENS)
    try:
        reserved = await budget.reserve(_most(texts))
    except BudgetSpent:
        raise ToolError(
            "The expert's budget for today is spent; answer as well as you can, or ask again tomorrow."
        ) from None
    response, used = await _ask(texts)
    if used is not None:
        await budget.settle(reserved, used)
    if usage := getattr(response, "usage_metadata", None):
        await in_database(lambda: _tell(usage, asked_in))
    return _result(response)


def _tell(usage: "types.GenerateContentResponseUsageMetadata", asked_in: ToolContext) -> None:
    prompt, response = usage.prompt_token_count or 0, usage.candidates_token_count or 0
    total = usage.total_token_count or prompt + response
    tokens_used.send_robust(
        None,
        model=settings.EXPERT_MODEL,
        usage=(prompt, response, total),
        session_id=asked_in.session_id,
        user_id=asked_in.user_id,
    )


def _most(texts: list[str]) -> int:
    """Tokens that the answer to a question can take; Gemini's thoughts count as output."""
    written = sum(len(text.encode()) for text in [INSTRUCTION, *texts])
    return written + OVERHEAD + settings.EXPERT_MAX_OUTPUT_TOKENS


async def _ask(texts: list[str]) -> tuple[Any, int | None]:
    """The response or a ToolError to raise, and the tokens that it took; None if nobody can know."""
    # The SDK takes a second to import, and its client 20 ms to make.
    client = await asyncio.to_thread(_client)
    from google.genai import errors, types

    try:
        async with asyncio.timeout(TIMEOUT):
            response = await client.aio.models.generate_content(
                model=settings.EXPERT_MODEL,
                contents=types.Content(role="user", parts=[types.Part(text=text) for text in texts]),
                config=types.GenerateContentConfig(
                    system_instruction=INSTRUCTION, max_output_tokens=settings.EXPERT_MAX_OUTPUT_TOKENS
                ),
            )
        usage = response.usage_metadata
        return response, usage.total_token_count if usage else None
    except errors.APIError as error:
        logger.warning("The expert %s answered with HTTP %s %s", settings.EXPERT_MODEL, error.code, error.status)
        reason = REFUSALS.get(error.code, "is out of order; try again later")
        if error.code == 400 and "API key" in (error.message or ""):
            reason = REFUSALS[401]
        return ToolError(f"The expert {reason}."), 0
    except TimeoutError:
        return ToolError(f"The expert did not answer within {TIMEOUT:g} seconds; try again later."), None
    except (httpx2.ConnectError, httpx2.ConnectTimeout, ssl.SSLError):
        return ToolError("The expert cannot be reached; try again later or check this server's network."), 0
    except (httpx2.HTTPError, OSError) as error:
        logger.warning("The expert %s failed: %s", settings.EXPERT_MODEL, type(error).__name__)
        return ToolError("The connection to the expert was lost; try again later."), None
    except ValueError as error:
        logger.warning("The expert %s answered in an unknown form: %s", settings.EXPERT_MODEL, type(error).__name__)
        return ToolError("The expert answered in a form that this server does not know; try again later."), None
    finally:
        await client.aio.aclose()
        client.close()


def _client() -> "genai.Client":
    """A client of its own for each question: it belongs to one event loop, and the CA's file may change."""
    from google import genai
    from google.genai import types

    arguments: dict[str, Any] = {}
    if settings.GEMINI_CA_FILE:
        try:
            arguments["verify"] = ssl.create_default_context(cafile=settings.GEMINI_CA_FILE)
        except OSError:
            raise ToolError(
                "The expert cannot be reached: GEMINI_CA_FILE cannot be read; an administrator must check it."
            ) from None
    options = types.HttpOptions(
        api_version=settings.GEMINI_API_VERSION,
        base_url=settings.GEMINI_BASE_URL or None,
        timeout=round(TIMEOUT * 1000),
        client_args=arguments,
        async_client_args=arguments,
    )
    return genai.Client(api_key=settings.GEMINI_API_KEY, http_options=options)


def _result(response: Any) -> dict[str, Any]:
    if isinstance(response, ToolError):
        raise response
    feedback, candidates = response.prompt_feedback, response.candidates or []
    if feedback and feedback.block_reason:
        raise ToolError("The expert does not answer this question; tell the user so.")
    content, reason = (candidates[0].content, candidates[0].finish_reason) if candidates else (None, None)
    parts = (content and content.parts) or []
    text = "".join(part.text for part in parts if part.text and not part.thought).strip()
    ended = getattr(reason, "name", "")
    if not text:
        raise ToolError({
            "MAX_TOKENS": "The expert thought so long that nothing was left to answer with; ask a narrower question.",
            "": "The expert gave an empty answer; ask again in other words.",
            "STOP": "The expert gave an empty answer; ask again in other words.",
        }.get(ended, "The expert does not answer this question; tell the user so."))  # fmt: skip
    answer = {"answer": text, "model": response.model_version or settings.EXPERT_MODEL}
    return answer | ({"cutOff": True} if ended == "MAX_TOKENS" else {})


@register("tools")
def check_expert(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.EXPERT_MAX_OUTPUT_TOKENS < 1:
        return [Error("EXPERT_MAX_OUTPUT_TOKENS must be 1 or more.", hint="Such as 2048.", id="gemlive.E045")]
    if 0 < settings.EXPERT_DAILY_TOKENS < (least := _most(["?" * 100])):
        return [
            Error(
                "EXPERT_DAILY_TOKENS is less than what one question reserves, so none could be asked.",
                hint=f"Set it to {least} or more, EXPERT_MAX_OUTPUT_TOKENS to less, or EXPERT_DAILY_TOKENS=0 for off.",
                id="gemlive.E045",
            )
        ]
    return []

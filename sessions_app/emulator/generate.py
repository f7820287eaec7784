"""`POST /{version}/models/{model}:generateContent`: one answer in text, by the script.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from .proto import Listed, Mapped, Message, Mismatch, Refusal, boolean, string, struct
from .templates import fill
from .usage import IMAGE_TOKENS, text_tokens
from .wire import CONTENT, GENERATION, TOOL

if TYPE_CHECKING:
    from .script import Script

PATH = re.compile(r"/{1,2}(?P<version>v1|v1beta|v1alpha)/models/(?P<model>[^/:]{1,100}):(?P<method>\w{1,50})")
MODELS = ("gemini-3.8-flash", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-flash-latest")
REQUEST = Message(
    model=string, contents=Listed(CONTENT), systemInstruction=CONTENT, generationConfig=GENERATION, tools=Listed(TOOL),
    toolConfig=struct, cachedContent=string, labels=Mapped(string), serviceTier=string, store=boolean,
    safetySettings=Listed(Message(category=string, method=string, threshold=string)),
)  # fmt: skip


def generate(script: Script, version: str, model: str, method: str, body: Any) -> dict[str, Any]:
    """The answer to a request that was read as JSON. Raises `Refusal` with an HTTP status as its code."""
    if method != "generateContent":
        raise Refusal(f"The emulator knows generateContent and no {method}.", code=501)
    if model not in MODELS:
        raise Refusal(
            f"models/{model} is not found for API version {version}, or is not supported for generateContent. "
            "Call ListModels to see the list of available models and their supported methods.",
            code=404,
        )
    try:
        request = REQUEST(body)
    except Mismatch as mismatch:
        raise Refusal(mismatch.reason, code=400) from None
    contents = request.get("contents", [])
    _check(contents)
    text, finish = _shortened(_answer(script, contents[-1]["parts"]), request.get("generationConfig", {}))
    prompt = _tokens([*contents, request.get("systemInstruction", {})])
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": finish, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": sum(prompt.values()),
            "candidatesTokenCount": text_tokens(text),
            "totalTokenCount": sum(prompt.values()) + text_tokens(text),
            "promptTokensDetails": [{"modality": name, "tokenCount": count} for name, count in prompt.items() if count],
        },
        "modelVersion": model,
        "responseId": secrets.token_urlsafe(16),
    }


def _check(contents: list[dict[str, Any]]) -> None:
    where = "* GenerateContentRequest.contents"
    if not contents:
        raise Refusal(f"{where}: contents is not specified\n", code=400)
    for number, content in enumerate(contents):
        if not content.get("parts"):
            raise Refusal(f"{where}[{number}].parts: contents.parts must not be empty.\n", code=400)
        if content.get("role", "user") not in ("user", "model", "function"):
            raise Refusal("Please use a valid role: user, model.", code=400)


def _answer(script: Script, parts: list[dict[str, Any]]) -> str:
    """What the script has for the last part, else for all of them."""
    texts = [part["text"] for part in parts if part.get("text")]
    for asked in (texts[-1:], texts):
        match = script.match(" ".join(asked))
        if match and not match.intent.calls and (reply := fill(match.intent.reply, match.slots)):
            return " ".join(reply.split())
    asked = " ".join(" ".join(texts[-1:]).split())[:300] or "nothing in words"
    return f"I am the emulator of Gemini and no language model, so I cannot answer this: {asked}"


def _shortened(text: str, generation: dict[str, Any]) -> tuple[str, str]:
    """The text in so many tokens, and why it ends."""
    most = generation.get("maxOutputTokens", 0)
    return (text[: most * 4], "MAX_TOKENS") if 0 < most < text_tokens(text) else (text, "STOP")


def _tokens(contents: list[dict[str, Any]]) -> dict[str, int]:
    parts = [part for content in contents for part in content.get("parts", [])]
    return {
        "TEXT": sum(text_tokens(part.get("text", "")) for part in parts),
        "IMAGE": sum(IMAGE_TOKENS for part in parts if "inlineData" in part or "fileData" in part),
    }

"""Token counts as `usageMetadata` reports them, estimated: Google publishes rates, not its tokeniser for audio."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

AUDIO_TOKENS_PER_SECOND = 25  # https://ai.google.dev/gemini-api/docs/live-guide#token-count
IMAGE_TOKENS = 258


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


class Usage:
    """The context grows with the conversation; the response is counted for each turn.

    `vertex`: with Vertex AI's names, where a response is made of candidates.
    """

    def __init__(self, *, vertex: bool = False) -> None:
        self._response_name = "candidates" if vertex else "response"
        self._prompt: Counter[str] = Counter()
        self._prompt_audio_seconds = 0.0
        self._response_audio_seconds = 0.0
        self._response_text = self._thoughts = self._tool_use = 0

    @property
    def context(self) -> int:
        """Tokens of the context."""
        return sum(self._prompt.values()) + math.ceil(self._prompt_audio_seconds * AUDIO_TOKENS_PER_SECOND)

    def add_prompt(self, modality: str, tokens: int) -> None:
        self._prompt[modality] += tokens

    def add_prompt_audio(self, seconds: float) -> None:
        self._prompt_audio_seconds += seconds

    def add_response_audio(self, seconds: float) -> None:
        self._response_audio_seconds += seconds

    def add_response_text(self, text: str) -> None:
        self._response_text += text_tokens(text)

    def add_thoughts(self, text: str) -> None:
        self._thoughts += text_tokens(text)

    def add_tool_use(self, text: str) -> None:
        self._tool_use += text_tokens(text)

    def compress(self, tokens: int) -> None:
        """Forget the oldest of the context, down to so many tokens; all modalities shrink alike."""
        share = tokens / max(1, self.context)
        if share < 1:
            self._prompt = Counter({name: int(count * share) for name, count in self._prompt.items()})
            self._prompt_audio_seconds *= share

    def take(self) -> dict[str, Any]:
        """The finished turn's `usageMetadata`. What was said becomes context of the next turn."""
        prompt = self._prompt.copy()
        prompt["AUDIO"] += math.ceil(self._prompt_audio_seconds * AUDIO_TOKENS_PER_SECOND)
        response = Counter(
            AUDIO=math.ceil(self._response_audio_seconds * AUDIO_TOKENS_PER_SECOND), TEXT=self._response_text
        )
        total = prompt.total() + response.total() + self._thoughts + self._tool_use
        usage: dict[str, Any] = {
            "promptTokenCount": prompt.total(),
            f"{self._response_name}TokenCount": response.total(),
            **({"toolUsePromptTokenCount": self._tool_use} if self._tool_use else {}),
            **({"thoughtsTokenCount": self._thoughts} if self._thoughts else {}),
            "totalTokenCount": total,
            "promptTokensDetails": _details(prompt),
        }
        if response.total():
            usage[f"{self._response_name}TokensDetails"] = _details(response)
        self._prompt["TEXT"] += self._tool_use
        self._prompt_audio_seconds += self._response_audio_seconds
        self._response_audio_seconds = 0.0
        self._response_text = self._thoughts = self._tool_use = 0
        return usage


def _details(counts: Counter[str]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]

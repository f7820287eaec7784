"""Token counts as `usageMetadata` reports them, estimated: Google publishes rates, not its tokeniser for audio."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

AUDIO_TOKENS_PER_SECOND = 25  # https://ai.google.dev/gemini-api/docs/live-guide#token-count
IMAGE_TOKENS = 258


class Usage:
    """The context grows with the conversation; the response is counted for each turn."""

    def __init__(self) -> None:
        self._prompt: Counter[str] = Counter()
        self._prompt_audio_seconds = 0.0
        self._response_audio_seconds = 0.0

    def add_prompt(self, modality: str, tokens: int) -> None:
        self._prompt[modality] += tokens

    def add_prompt_audio(self, seconds: float) -> None:
        self._prompt_audio_seconds += seconds

    def add_response_audio(self, seconds: float) -> None:
        self._response_audio_seconds += seconds

    def take(self) -> dict[str, Any]:
        """The finished turn's `usageMetadata`. What was said becomes context of the next turn."""
        prompt = self._prompt.copy()
        prompt["AUDIO"] += math.ceil(self._prompt_audio_seconds * AUDIO_TOKENS_PER_SECOND)
        response = math.ceil(self._response_audio_seconds * AUDIO_TOKENS_PER_SECOND)
        self._prompt_audio_seconds += self._response_audio_seconds
        self._response_audio_seconds = 0.0
        total = sum(prompt.values())
        usage: dict[str, Any] = {
            "promptTokenCount": total,
            "responseTokenCount": response,
            "totalTokenCount": total + response,
            "promptTokensDetails": [{"modality": name, "tokenCount": count} for name, count in prompt.items() if count],
        }
        if response:
            usage["responseTokensDetails"] = [{"modality": "AUDIO", "tokenCount": response}]
        return usage

"""What each model of Gemini Live does differently. Source: Google's model pages, as far as they are public."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .wire import INVALID_ARGUMENT, Refusal


@dataclass(frozen=True)
class Profile:
    """`behavior`: what a function declaration without `behavior` means. `refused`: setup fields that close 1007."""

    behavior: str = "BLOCKING"
    refused: tuple[str, ...] = ()
    context_tokens: int = 131_072


MODELS: dict[str, Profile] = {
    "gemini-3.8-live": Profile(
        behavior="NON_BLOCKING",
        refused=("generationConfig.thinkingConfig", "generationConfig.enableAffectiveDialog"),
    ),
    "gemini-3.8-live-extended-thinking": Profile(behavior="NON_BLOCKING"),
    "gemini-3.1-flash-live-preview": Profile(),
    "gemini-2.5-flash-native-audio-preview-12-2025": Profile(),
}


def profile_for(setup: dict[str, Any], version: str) -> Profile:
    """The profile of the model that `setup` asks for. Raises `Refusal` as Google does."""
    model = setup.get("model", "")
    profile = MODELS.get(model.removeprefix("models/"))
    if profile is None:
        raise Refusal(
            f"{model} is not found for API version {version}, or is not supported for bidiGenerateContent.", code=1008
        )
    for path in profile.refused:
        value: Any = setup
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            raise Refusal(INVALID_ARGUMENT)
    if "AUDIO" not in setup.get("generationConfig", {}).get("responseModalities", ["AUDIO"]):
        raise Refusal("The requested combination of response modalities (TEXT) is not supported by the model.")
    return profile

"""What each model of Gemini Live does differently, and the setups that it refuses.

Sources: Google's model pages and migration guides (ai.google.dev/gemini-api/docs/models, …/live-api), and reports of
real connections where those are silent. docs/emulator.md says which refusals are a choice of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .wire import INVALID_ARGUMENT, Refusal

GEMINI, VERTEX = "gemini", "vertex"  # the two APIs that speak this wire
BOTH_BEHAVIORS = frozenset({"BLOCKING", "NON_BLOCKING"})


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One model.

    `behavior`: what a function declaration without `behavior` means; `behaviors`: those that it may ask for.
    `thinking`: which ways of `thinkingConfig` are allowed ("budget", "level"); `thinking_required`: one of them must be
    given. `expressive`: takes `proactivity` and `enableAffectiveDialog`. `always_proactive`: refuses to have proactive
    audio switched off. `seeds_history`: heeds `initialHistoryInClientContent`. `turn_ends_with_call`: says
    `turnComplete` right after a toolCall, not after the answer to it. `whole_transcripts`: says what it heard in one
    piece. `interaction_status`: speaks several turns for one request and says when it is idle. `user_first`: an
    INTERRUPT result waits for a user who is speaking.
    """

    apis: tuple[str, ...] = (GEMINI,)
    modalities: tuple[str, ...] = ("AUDIO",)
    behavior: str = "BLOCKING"
    behaviors: frozenset[str] = BOTH_BEHAVIORS
    thinking: frozenset[str] = frozenset()
    thinking_required: bool = False
    expressive: bool = False
    always_proactive: bool = False
    seeds_history: bool = True
    turn_ends_with_call: bool = False
    whole_transcripts: bool = True
    interaction_status: bool = False
    user_first: bool = False
    context_tokens: int = 131_072


# What the models of generation 2.5 share.
_NATIVE_AUDIO_2_5 = Profile(
    thinking=frozenset({"budget"}), expressive=True, seeds_history=False, turn_ends_with_call=True,
    whole_transcripts=False,
)  # fmt: skip
_HALF_CASCADE = Profile(modalities=("AUDIO", "TEXT"), seeds_history=False, whole_transcripts=False)

MODELS: dict[str, Profile] = {
    "gemini-3.8-live": Profile(behavior="NON_BLOCKING", always_proactive=True, user_first=True),
    "gemini-3.8-live-extended-thinking": Profile(
        behavior="NON_BLOCKING", behaviors=frozenset({"NON_BLOCKING"}), thinking=frozenset({"budget", "level"}),
        thinking_required=True, always_proactive=True, interaction_status=True, user_first=True,
    ),
    "gemini-3.1-flash-live-preview": Profile(
        behaviors=frozenset({"BLOCKING"}), thinking=frozenset({"level"})
    ),
    "gemini-2.5-flash-native-audio-preview-12-2025": _NATIVE_AUDIO_2_5,
    "gemini-2.5-flash-native-audio-latest": _NATIVE_AUDIO_2_5,
    "gemini-live-2.5-flash-native-audio": replace(_NATIVE_AUDIO_2_5, apis=(VERTEX,)),
    # Retired by Google, and still what the SDKs' own documentation calls; they could answer in text.
    "gemini-live-2.5-flash-preview": _HALF_CASCADE,
    "gemini-2.0-flash-live-preview-04-09": replace(_HALF_CASCADE, apis=(VERTEX,)),
}  # fmt: skip


def profile_for(setup: dict[str, Any], api: str, version: str) -> Profile:
    """The profile of the model that `setup` asks for. Raises `Refusal` as Google does."""
    model = setup.get("model", "")
    profile = MODELS.get(model.rsplit("models/", 1)[-1])
    if profile is None or api not in profile.apis:
        raise Refusal(
            f"{model} is not found for API version {version}, or is not supported for bidiGenerateContent.", code=1008
        )
    for problem in _problems(setup, profile, api, version):
        raise Refusal(problem)
    return profile


def _problems(setup: dict[str, Any], profile: Profile, api: str, version: str) -> Iterator[str]:
    generation = setup.get("generationConfig", {})
    # The stable versions of the Gemini API have not got these fields at all.
    if api == GEMINI and version != "v1alpha":
        unknown = "Invalid JSON payload received. Unknown name \"{}\" at '{}': Cannot find field."
        if "proactivity" in setup:
            yield unknown.format("proactivity", "setup")
        if "enableAffectiveDialog" in generation:
            yield unknown.format("enableAffectiveDialog", "setup.generation_config")
    if "enableAffectiveDialog" in generation and not profile.expressive:
        yield INVALID_ARGUMENT
    if "proactivity" in setup:
        proactive = setup["proactivity"].get("proactiveAudio")
        if not (profile.expressive or (profile.always_proactive and proactive is not False)):
            yield INVALID_ARGUMENT
    if api == GEMINI and "explicitVadSignal" in setup:
        yield "Invalid JSON payload received. Unknown name \"explicitVadSignal\" at 'setup': Cannot find field."
    modalities = generation.get("responseModalities", ["AUDIO"])
    if len(modalities) != 1 or modalities[0] not in profile.modalities:
        asked = ", ".join(modalities)
        yield f"The requested combination of response modalities ({asked}) is not supported by the model."
    yield from _thinking_problems(generation.get("thinkingConfig"), profile)
    for tool in setup.get("tools", []):
        for function in tool.get("functionDeclarations", []):
            behavior = function.get("behavior", "")
            if "BLOCKING" in behavior and behavior not in profile.behaviors:
                yield INVALID_ARGUMENT


def _thinking_problems(thinking: dict[str, Any] | None, profile: Profile) -> Iterator[str]:
    given = {"budget": "thinkingBudget", "level": "thinkingLevel"}
    ways = {way for way, field in given.items() if thinking and field in thinking}
    if thinking is not None and not profile.thinking:
        yield INVALID_ARGUMENT
    if ways - profile.thinking:
        yield f"Thinking {' and '.join(sorted(ways - profile.thinking))} is not supported for this model."
    if profile.thinking_required and len(ways) != 1:
        yield INVALID_ARGUMENT

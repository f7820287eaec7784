"""What each model of Gemini Live takes and does: the one table that the rest of the server asks.

Sources: Google's page of each model (https://ai.google.dev/gemini-api/docs/models/gemini-3.8-live has a section on
migration: "3.8's page" below), its pages on the Live API (…/docs/live-api), Google Cloud's guide "Migrate from Gemini
2.5 Flash Live API native audio to Gemini 3.8 Live", and probes of real servers where those are silent.
A model that is not in the table is refused nothing: Gemini itself decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from .settings import ModelSettings

Behavior = Literal["BLOCKING", "NON_BLOCKING"]
BOTH: frozenset[Behavior] = frozenset({"BLOCKING", "NON_BLOCKING"})


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """One model. Without arguments: a model that we know nothing about."""

    behaviors: frozenset[Behavior] = BOTH
    """What `behavior` a function declaration may ask for. Source: the Live API's page on tool use."""
    behavior: Behavior = "BLOCKING"
    """What a declaration without `behavior` means. Source: `FunctionDeclaration`; 3.8's page."""
    cancels_blocking: bool = False
    """New input makes the model itself withdraw a blocking call. Source: Google Cloud's guide."""
    thinking: frozenset[Literal["level", "budget"]] = frozenset({"level", "budget"})
    """Which of `thinkingLevel` and `thinkingBudget` it takes. Source: the model's page."""
    thinking_required: bool = False
    """Exactly one of them must be given. Source: the model's page."""
    affective: bool = True
    """Takes `enableAffectiveDialog`. Source: the Live API's page on capabilities."""
    proactive: bool = True
    """Takes `proactivity`. Source: as `affective`."""
    always_proactive: bool = False
    """Refuses `proactiveAudio: false`, and need not be told `true`. Source: 3.8's page."""
    expressive_version: str = ""
    """The only API version that has `proactivity` and `enableAffectiveDialog`; empty: all. Source: as `affective`."""
    seeding: Literal["history", "content"] = "content"
    """How a fresh session is given an earlier transcript: "history" is `clientContent` under
    `historyConfig.initialHistoryInClientContent`; "content" is `clientContent` with `turnComplete: false`, which every
    model takes as context. 2.5 ignores `historyConfig`. Source: the Live API's page on capabilities."""
    usage: Literal["turn", "session"] = "turn"
    """Whether `usageMetadata` counts one turn (the prompt grows with the context, the response is the turn's) or adds
    up over the connection. Source: probes of real servers, https://github.com/pydantic/pydantic-ai/pull/7269."""
    vertex_only: bool = False
    """Offered by Vertex AI, which this server does not dial: never proposed. Source: the model's page."""


_LIVE_3_8 = Capabilities(
    behavior="NON_BLOCKING", cancels_blocking=True, thinking=frozenset(), affective=False, always_proactive=True,
    seeding="history",
)  # fmt: skip
_NATIVE_AUDIO_2_5 = Capabilities(thinking=frozenset({"budget"}), expressive_version="v1alpha")

MODELS: dict[str, Capabilities] = {
    "gemini-3.8-live": _LIVE_3_8,
    "gemini-3.8-live-extended-thinking": replace(
        _LIVE_3_8, behaviors=frozenset({"NON_BLOCKING"}), cancels_blocking=False,
        thinking=frozenset({"level", "budget"}), thinking_required=True,
    ),
    "gemini-3.1-flash-live-preview": Capabilities(
        behaviors=frozenset({"BLOCKING"}), thinking=frozenset({"level"}), affective=False, proactive=False,
        seeding="history",
    ),
    "gemini-2.5-flash-native-audio-preview-12-2025": _NATIVE_AUDIO_2_5,
    "gemini-2.5-flash-native-audio-latest": _NATIVE_AUDIO_2_5,
    "gemini-live-2.5-flash-native-audio": replace(_NATIVE_AUDIO_2_5, expressive_version="", vertex_only=True),
}  # fmt: skip
_UNKNOWN = Capabilities()


def capabilities(model: str) -> Capabilities:
    """Of "gemini-3.8-live" or "models/gemini-3.8-live"; permissive for a model that is not in the table."""
    return MODELS.get(_short(model), _UNKNOWN)


def _short(model: str) -> str:
    return model.rpartition("models/")[2]


@dataclass(frozen=True)
class Problem:
    """A setting that a model refuses: its name on the wire, and a sentence that says what to change."""

    setting: str
    message: str


def problems(model: str, settings: ModelSettings, api_version: str) -> list[Problem]:
    """Why `model` would refuse to be set up with `settings`; at most one problem a setting.

    `api_version` is the one that the server dials: "v1beta", "v1alpha".
    """
    return [*_not_taken(_short(model), settings, api_version), *_not_one_way_of_thinking(_short(model), settings)]


def takes(model: str, api_version: str, **settings: Any) -> bool:
    """Whether `model` refuses none of these fields of ModelSettings; what else it may need is not looked at."""
    asked = ModelSettings(**settings)
    return not any(problem.setting in asked.given() for problem in problems(model, asked, api_version))


def offered(first: str) -> list[str]:
    """Names of the models to choose from: `first`, and all others that this server can dial."""
    others = (name for name, known in MODELS.items() if name != _short(first) and not known.vertex_only)
    return [first, *others]


def _not_taken(model: str, settings: ModelSettings, api_version: str) -> Iterator[Problem]:
    known = capabilities(model)
    for setting, value in settings.given().items():
        if not _takes(known, setting, value):
            always = f" {str(value).lower()}: it is always on" if _takes(known, setting, not value) else ""
            message = f"{model} does not take {setting}{always}. {_way_out(setting, value, api_version)}"
            yield Problem(setting, message)
        elif version := _other_version(known, setting, api_version):
            yield Problem(
                setting,
                f"{model} takes {setting} only by the API version {version}, and this server speaks {api_version}. "
                f"Leave it out, or set GEMINI_API_VERSION={version} on the server.",
            )


def _way_out(setting: str, value: object, api_version: str) -> str:
    others = []
    for model, known in sorted(MODELS.items()):
        if not known.vertex_only and _takes(known, setting, value):
            version = _other_version(known, setting, api_version)
            others.append(f"{model} (with GEMINI_API_VERSION={version})" if version else model)
    return f"Leave it out, or choose one of: {', '.join(others)}."


def _takes(known: Capabilities, setting: str, value: object) -> bool:
    """`value` of `setting`, by whatever API version; what the table says nothing about is taken."""
    match setting:
        case "thinkingLevel":
            return "level" in known.thinking
        case "thinkingBudget":
            return "budget" in known.thinking
        case "affectiveDialog":
            return known.affective
        case "proactiveAudio":
            return known.proactive and not (known.always_proactive and value is False)
    return True


def _other_version(known: Capabilities, setting: str, api_version: str) -> str:
    """The API version that `setting` would need, where it is not the one that is dialled."""
    if setting in ("affectiveDialog", "proactiveAudio") and known.expressive_version != api_version:
        return known.expressive_version
    return ""


def _not_one_way_of_thinking(model: str, settings: ModelSettings) -> Iterator[Problem]:
    if not capabilities(model).thinking_required:
        return
    ways = {"thinkingLevel", "thinkingBudget"} & settings.given().keys()
    if len(ways) == 2:
        message = f"{model} takes either thinkingLevel or thinkingBudget. Leave one of the two out."
        yield Problem("thinkingLevel", message)
    elif not ways:
        message = f'{model} needs thinkingLevel or thinkingBudget. Give one of the two, such as "thinkingLevel": "low".'
        yield Problem("thinkingLevel", message)

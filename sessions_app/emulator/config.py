"""What a session's setup asks for, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .activity import Sensitivity
from .profiles import VERTEX, Profile, profile_for
from .voices import VOICES
from .wire import INVALID_ARGUMENT, Refusal


@dataclass(frozen=True)
class Config:
    """A setup that was accepted. `tools`: declared function → "BLOCKING" or "NON_BLOCKING"."""

    profile: Profile
    vertex: bool = False
    text: bool = False  # answers are text, not speech
    voice: str = ""
    language: str = ""  # BCP 47, such as "de-DE"
    heard_language: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    search: bool = False  # Google Search is a tool
    thoughts: bool = False
    transcribe_input: bool = False
    transcribe_output: bool = False
    sensitivity: Sensitivity | None = None  # None: the client marks activity by hand
    interrupts: bool = True
    seeding: bool = False
    resumable: bool = False
    handle: str = ""
    transparent: bool = False
    vad_signals: bool = False
    compression: tuple[int, int] | None = None  # context tokens that trigger it, and that it leaves

    @classmethod
    def read(cls, setup: dict[str, Any], api: str, version: str) -> Config:
        """Raises `Refusal`."""
        profile = profile_for(setup, api, version)
        generation = setup.get("generationConfig", {})
        speech = generation.get("speechConfig", {})
        realtime = setup.get("realtimeInputConfig", {})
        resumption = setup.get("sessionResumption", {})
        voice = speech.get("voiceConfig", {}).get("prebuiltVoiceConfig", {}).get("voiceName", "")
        languages = setup.get("inputAudioTranscription", {}).get("languageCodes") or [""]
        return cls(
            profile=profile,
            vertex=api == VERTEX,
            text=generation.get("responseModalities") == ["TEXT"],
            voice=voice if voice.capitalize() in VOICES else "",
            language=speech.get("languageCode", ""),
            heard_language=languages[0],
            tools=declared_tools(setup.get("tools", []), profile),
            search=any("googleSearch" in tool for tool in setup.get("tools", [])),
            thoughts=bool(generation.get("thinkingConfig", {}).get("includeThoughts")),
            transcribe_input="inputAudioTranscription" in setup,
            transcribe_output="outputAudioTranscription" in setup,
            sensitivity=Sensitivity.read(realtime.get("automaticActivityDetection", {})),
            interrupts=realtime.get("activityHandling") != "NO_INTERRUPTION",
            seeding=profile.seeds_history
            and setup.get("historyConfig", {}).get("initialHistoryInClientContent", False),
            resumable="sessionResumption" in setup,
            handle=resumption.get("handle", ""),
            # The Gemini API takes the field and does not act on it.
            transparent=api == VERTEX and resumption.get("transparent", False),
            vad_signals=setup.get("explicitVadSignal", False),
            compression=_compression(setup.get("contextWindowCompression"), profile),
        )


def _compression(asked: dict[str, Any] | None, profile: Profile) -> tuple[int, int] | None:
    """The defaults are Google's: at 80 % of the model's limit, to half of that."""
    if asked is None:
        return None
    trigger = asked.get("triggerTokens") or profile.context_tokens * 8 // 10
    return trigger, asked.get("slidingWindow", {}).get("targetTokens") or trigger // 2


def declared_tools(tools: list[dict[str, Any]], profile: Profile) -> dict[str, str]:
    """Function → behaviour. Raises `Refusal` for names that Google refuses."""
    declared: dict[str, str] = {}
    for tool in tools:
        for function in tool.get("functionDeclarations", []):
            name = function.get("name", "")
            if not re.fullmatch(r"[A-Za-z_][\w.:-]{0,127}", name):
                raise Refusal(INVALID_ARGUMENT)
            if name in declared:
                raise Refusal(f"Duplicate function declaration found: {name}")
            behavior = function.get("behavior", "")
            declared[name] = behavior if "BLOCKING" in behavior else profile.behavior
    return declared

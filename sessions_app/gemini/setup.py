"""A session's configuration → the setup message of `BidiGenerateContent`."""

from dataclasses import dataclass, field
from typing import Any

from google.genai import types

from .models import Behavior, Capabilities, capabilities
from .settings import ModelSettings


@dataclass(frozen=True, kw_only=True)
class LiveSetup:
    """What a conversation is set up with; stays the same over all its connections."""

    model: str
    voice: str = ""
    language: str = ""
    instruction: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Function declarations: name, description and `parameters` as JSON schema; where the tool says so, its `behavior`
    and `scheduling`."""
    settings: ModelSettings = field(default_factory=ModelSettings)

    def is_blocking(self, tool_name: str) -> bool:
        """Whether the model waits for this tool's answers: what the tool asks for, if the model can do that."""
        return self._behavior(self._tool(tool_name)) == "BLOCKING"

    def scheduling(self, tool_name: str) -> str | None:
        """When the model shall speak of this tool's answer: "INTERRUPT", "WHEN_IDLE" or "SILENT".

        None leaves it to the model, and for blocking calls nothing else may be said.
        """
        return None if self.is_blocking(tool_name) else self._tool(tool_name).get("scheduling")

    @property
    def history_first(self) -> bool:
        """What was said before is told as `historyConfig` has it; else as content like any other."""
        return self._capabilities.seeding == "history"

    def config(self, handle: str | None = None, *, history: bool = False) -> types.LiveConnectConfig:
        """The SDK's configuration, resuming `handle` where there is one. `history`: what was said comes first."""
        seeded = history and self.history_first
        declarations = [self._declaration(tool) for tool in self.tools]
        return types.LiveConnectConfig(
            response_modalities=[types.Modality.AUDIO],
            system_instruction=self.instruction or None,
            tools=[types.Tool(function_declarations=declarations)] if declarations else None,
            speech_config=self._speech(),
            input_audio_transcription=types.AudioTranscriptionConfig(),
            output_audio_transcription=types.AudioTranscriptionConfig(),
            session_resumption=types.SessionResumptionConfig(handle=handle),
            context_window_compression=types.ContextWindowCompressionConfig(sliding_window=types.SlidingWindow()),
            realtime_input_config=self._realtime_input(),
            history_config=types.HistoryConfig(initial_history_in_client_content=True) if seeded else None,
            temperature=self.settings.temperature,
            thinking_config=self._thinking(),
            enable_affective_dialog=self.settings.affective_dialog,
            proactivity=self._proactivity(),
        )

    @property
    def _capabilities(self) -> Capabilities:
        return capabilities(self.model)

    def _tool(self, name: str) -> dict[str, Any]:
        return next((tool for tool in self.tools if tool["name"] == name), {})

    def _behavior(self, tool: dict[str, Any]) -> Behavior:
        asked: Behavior | None = tool.get("behavior")
        return asked if asked in self._capabilities.behaviors else self._capabilities.behavior

    def _declaration(self, tool: dict[str, Any]) -> types.FunctionDeclaration:
        # A tool works on every model: what a model cannot do is not asked of it.
        declared = tool.get("behavior") in self._capabilities.behaviors
        return types.FunctionDeclaration(
            name=tool["name"],
            description=tool["description"],
            parameters_json_schema=tool["parameters"],
            behavior=types.Behavior(tool["behavior"]) if declared else None,
        )

    def _thinking(self) -> types.ThinkingConfig | None:
        level, budget = self.settings.thinking_level, self.settings.thinking_budget
        if level is None and budget is None:
            return None
        return types.ThinkingConfig(
            thinking_level=types.ThinkingLevel(level.upper()) if level else None, thinking_budget=budget
        )

    def _proactivity(self) -> types.ProactivityConfig | None:
        proactive = self.settings.proactive_audio
        # Where it is always on it need not be said; and saying it takes an API version that has the field.
        if proactive is None or (proactive and self._capabilities.always_proactive):
            return None
        return types.ProactivityConfig(proactive_audio=proactive)

    def _speech(self) -> types.SpeechConfig | None:
        if not (self.voice or self.language):
            return None
        voice = types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=self.voice))
        return types.SpeechConfig(voice_config=voice if self.voice else None, language_code=self.language or None)

    def _realtime_input(self) -> types.RealtimeInputConfig | None:
        if self.settings.activity_detection != "manual":
            return None
        return types.RealtimeInputConfig(automatic_activity_detection=types.AutomaticActivityDetection(disabled=True))

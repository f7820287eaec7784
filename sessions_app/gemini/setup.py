"""A session's configuration → the setup message of `BidiGenerateContent`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from google.genai import types


@dataclass(frozen=True, kw_only=True)
class LiveSetup:
    """What a conversation is set up with; stays the same over all its connections."""

    model: str
    voice: str = ""
    language: str = ""
    instruction: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Function declarations: name, description and `parameters` as JSON schema."""
    manual_activity: bool = False
    """The page marks speech itself (push-to-talk); otherwise Gemini listens for it."""
    seeding: Literal["history", "content"] = "content"
    """How the model is told what was said before: as `historyConfig` has it, or as content like any other."""

    def config(self, handle: str | None = None, *, history: bool = False) -> types.LiveConnectConfig:
        """The SDK's configuration, resuming `handle` where there is one. `history`: what was said comes first."""
        seeded = history and self.seeding == "history"
        declarations = [
            types.FunctionDeclaration(
                name=tool["name"], description=tool["description"], parameters_json_schema=tool["parameters"]
            )
            for tool in self.tools
        ]
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
        )

    def _speech(self) -> types.SpeechConfig | None:
        if not (self.voice or self.language):
            return None
        voice = types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=self.voice))
        return types.SpeechConfig(voice_config=voice if self.voice else None, language_code=self.language or None)

    def _realtime_input(self) -> types.RealtimeInputConfig | None:
        if not self.manual_activity:
            return None
        return types.RealtimeInputConfig(automatic_activity_detection=types.AutomaticActivityDetection(disabled=True))

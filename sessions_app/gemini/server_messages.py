"""What Gemini Live sends, as `BidiGenerateContentServerMessage` has it.

A message is not a union: one may carry several keys, and a model turn several parts. Read them all, in order.
Source: https://ai.google.dev/api/live and recordings of the SDK's own traffic (docs/architecture.md).
"""

from typing import Any

import msgspec


class Struct(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Unknown fields are ignored: the API grows without asking us."""


class Blob(Struct):
    """Media: `mime_type` such as "audio/pcm;rate=24000", and its bytes (msgspec decodes the base64)."""

    mime_type: str = ""
    data: bytes = b""


class Part(Struct):
    text: str | None = None
    thought: bool = False
    inline_data: Blob | None = None


class ModelTurn(Struct):
    role: str = "model"
    parts: list[Part] = []


class Transcription(Struct):
    """A delta: the pieces of a turn join to its whole text. `finished` is not reliable."""

    text: str = ""
    finished: bool = False
    language_code: str | None = None


class ServerContent(Struct):
    model_turn: ModelTurn | None = None
    generation_complete: bool = False
    turn_complete: bool = False
    turn_complete_reason: str | None = None
    interrupted: bool = False
    waiting_for_input: bool = False
    input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    interaction_status: str | None = None


class FunctionCall(Struct):
    id: str = ""
    name: str = ""
    args: dict[str, Any] | None = None


class ToolCall(Struct):
    function_calls: list[FunctionCall] = []


class ToolCallCancellation(Struct):
    ids: list[str] = []


class GoAway(Struct):
    """The connection ends soon; `time_left` is a duration in protobuf's JSON form, such as "50s"."""

    time_left: str = "0s"

    @property
    def seconds(self) -> float:
        try:
            return max(0.0, float(self.time_left.removesuffix("s")))
        except ValueError:
            return 0.0


class SessionResumptionUpdate(Struct):
    new_handle: str = ""
    resumable: bool = False


class ModalityTokenCount(Struct):
    modality: str = ""
    token_count: int = 0


class UsageMetadata(Struct):
    """Tokens. Vertex says `candidates…` where the Gemini API says `response…`."""

    prompt_token_count: int = 0
    response_token_count: int = 0
    candidates_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[ModalityTokenCount] = []
    response_tokens_details: list[ModalityTokenCount] = []
    candidates_tokens_details: list[ModalityTokenCount] = []


class VoiceActivity(Struct):
    type: str = ""


class SetupComplete(Struct):
    session_id: str | None = None


class Status(Struct):
    """`google.rpc.Status`, which comes instead of a message when something is refused."""

    code: int = 0
    message: str = ""


class ServerMessage(Struct):
    error: Status | None = None
    code: int | None = None
    message: str = ""
    setup_complete: SetupComplete | None = None
    server_content: ServerContent | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    go_away: GoAway | None = None
    session_resumption_update: SessionResumptionUpdate | None = None
    usage_metadata: UsageMetadata | None = None
    voice_activity: VoiceActivity | None = None

"""What a client gets: `{"type", "data"?}` as JSON; with `gemlive.v1` audio comes as binary frames (s16le, 24 kHz)."""

import binascii
from typing import Any, Literal

import msgspec


class Data(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Fields at their default are left out."""


class Event(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


StatusName = Literal["CONNECTING", "CONNECTED", "RECONNECTING", "DISCONNECTED", "ERROR"]


class StatusData(Data):
    status: StatusName
    reason: str | None = None
    backend: Literal["gemini", "emulator"] | None = None
    model: str | None = None
    voice: str | None = None
    resumed: bool | None = None
    phrases: list[str] | None = None


class Status(Event, tag="status"):
    data: StatusData
    session_id: str | None = None


class AudioData(Data):
    audio: str | None = None
    mime_type: str | None = None
    interrupt: bool | None = None


class Audio(Event, tag="audio"):
    data: AudioData


class TranscriptionData(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A delta while a turn lasts; at its end one empty final for each side, once the turn is saved."""

    text: str
    is_user: bool
    is_final: bool
    turn_id: int


class Transcription(Event, tag="transcription"):
    data: TranscriptionData


class FunctionCallData(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    name: str
    args: dict[str, Any]
    call_id: str
    needs_approval: bool = False
    args_hash: str | msgspec.UnsetType = msgspec.UNSET


class FunctionCall(Event, tag="function_call"):
    data: FunctionCallData


class FunctionResultData(Data):
    call_id: str
    name: str
    status: str
    result: Any = None
    error: str | None = None
    duration_ms: int | None = None


class FunctionResult(Event, tag="function_result"):
    data: FunctionResultData


class ToolProgressData(Data):
    """What a tool says while it runs: `text` for people, or a `part` of its result."""

    call_id: str
    name: str
    text: str | None = None
    part: Any = None


class ToolProgress(Event, tag="tool_progress"):
    data: ToolProgressData


TurnState = Literal["started", "generated", "complete", "interrupted"]


class TurnData(Data):
    turn_id: int
    state: TurnState
    time_to_first_audio_ms: int | None = None


class Turn(Event, tag="turn"):
    data: TurnData


class UsageData(Data):
    prompt_tokens: int
    response_tokens: int
    total_tokens: int
    by_modality: dict[str, int] = {}
    estimated_cost: float | None = None


class Usage(Event, tag="usage"):
    data: UsageData


class ErrorData(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """`code` is stable; `message` is a sentence for people that says what to do; `retry_after` is in seconds."""

    code: str
    message: str
    retryable: bool = False
    retry_after: int | msgspec.UnsetType = msgspec.UNSET


class Error(Event, tag="error"):
    data: ErrorData


class PongData(Data):
    t: Any = None


class Pong(Event, tag="pong"):
    data: PongData


INTERRUPT_AUDIO = Audio(data=AudioData(interrupt=True))
encode = msgspec.json.Encoder().encode


def audio_json(pcm: bytes) -> str:
    """The classic `audio` message of s16le mono PCM at 24 kHz."""
    audio = binascii.b2a_base64(pcm, newline=False).decode("ascii")
    return f'{{"type":"audio","data":{{"audio":"{audio}","mimeType":"audio/pcm;rate=24000"}}}}'


def status(name: StatusName, reason: str | None = None, *, session_id: str | None = None) -> Status:
    return Status(data=StatusData(status=name, reason=reason), session_id=session_id)


def transcription(turn_id: int, *, is_user: bool, text: str = "", is_final: bool = False) -> Transcription:
    return Transcription(data=TranscriptionData(text=text, is_user=is_user, is_final=is_final, turn_id=turn_id))


def abandoned(call_id: str, name: str, error: str) -> FunctionResult:
    return FunctionResult(data=FunctionResultData(call_id=call_id, name=name, status="cancelled", error=error))


def turn(turn_id: int, state: TurnState, time_to_first_audio_ms: int | None = None) -> Turn:
    return Turn(data=TurnData(turn_id=turn_id, state=state, time_to_first_audio_ms=time_to_first_audio_ms))


def error(code: str, message: str, *, retryable: bool = False, retry_after: int | None = None) -> Error:
    data = ErrorData(code=code, message=message, retryable=retryable, retry_after=retry_after or msgspec.UNSET)
    return Error(data=data)

"""What a client sends: `{"type", "data"?}` as JSON, or a binary frame of s16le mono PCM at 16 kHz."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..gemini.settings import ModelSettings

MAX_TEXT = 20_000
MAX_IMAGE_BYTES = 700_000


class CommandError(ValueError):
    """A frame that cannot be obeyed: `code` is stable, the message says what to send instead."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Data(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Unknown fields are ignored, so that newer pages may talk to older servers."""


class Command(Data, tag_field="type", kw_only=True):
    session_id: str | None = None


class ConnectData(ModelSettings):
    """Overrides of the session's stored configuration: its settings of the model, and what stands here."""

    voice: Annotated[str, Meta(max_length=50)] | None = None
    language: Annotated[str, Meta(max_length=20)] | None = None
    model: Annotated[str, Meta(max_length=100)] | None = None
    system_instruction: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    tools: list[str] | None = None
    resume: bool | None = None


class Connect(Command, tag="connect"):
    data: ConnectData | None = None


class AudioData(Data):
    data: bytes
    mime_type: str = "audio/pcm;rate=16000"


class Audio(Command, tag="audio"):
    data: AudioData

    @property
    def rate(self) -> int:
        """Samples a second, as the MIME type tells.

        Raises:
            CommandError: not PCM, or a rate outside 8000–48000.
        """
        kind, _, rate = self.data.mime_type.replace(" ", "").partition(";rate=")
        if kind != "audio/pcm" or not (rate or "16000").isdecimal() or not 8_000 <= int(rate or 16_000) <= 48_000:
            raise CommandError(
                "unsupported_audio", "Send audio as audio/pcm;rate=16000 (s16le, mono; 8000 to 48000 are understood)."
            )
        return int(rate or 16_000)


class TextData(Data):
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
    message_id: Annotated[str, Meta(max_length=100)] | None = None


class Text(Command, tag="text"):
    data: TextData


class ImageData(Data):
    data: bytes
    mime_type: Annotated[str, Meta(pattern="^image/(jpeg|png|webp)$")] = "image/jpeg"


class Image(Command, tag="image"):
    data: ImageData


class ActivityStart(Command, tag="activity_start"):
    pass


class ActivityEnd(Command, tag="activity_end"):
    pass


class AudioEnd(Command, tag="audio_end"):
    """The microphone is muted: no more audio for a while."""


class Interrupt(Command, tag="interrupt"):
    """Stop the reply."""


class ToolApprovalData(Data):
    """`args_hash` as the `function_call` has it: a person agrees to what he was shown. Not needed to deny."""

    call_id: str
    approved: bool
    args_hash: str | None = None


class ToolApproval(Command, tag="tool_approval"):
    data: ToolApprovalData


class PlayedData(Data):
    """How much of a reply was heard: milliseconds played, and dropped by a flush."""

    turn_id: int
    ms: Annotated[float, Meta(ge=0)]
    dropped: Annotated[float, Meta(ge=0)] = 0


class Played(Command, tag="played"):
    data: PlayedData


class Disconnect(Command, tag="disconnect"):
    pass


class PingData(Data):
    t: Any = None


class Ping(Command, tag="ping"):
    data: PingData | None = None


AnyCommand = (
    Connect | Audio | Text | Image | ActivityStart | ActivityEnd | AudioEnd | Interrupt | ToolApproval | Played
    | Disconnect | Ping
)  # fmt: skip
_decoder: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
TYPES = tuple(kind.__struct_config__.tag for kind in AnyCommand.__args__)


def decode(frame: str | bytes) -> AnyCommand:
    """Read one JSON frame of a client.

    Raises:
        CommandError: not JSON, no or an unknown type, or wrong data; the message says which.
    """
    try:
        command = _decoder.decode(frame)
    except (msgspec.ValidationError, RecursionError) as error:
        raise CommandError("invalid_message", _what_is_wrong(frame, error)) from None
    except (msgspec.DecodeError, UnicodeError):
        raise CommandError("not_json", 'This frame is not JSON. Send {"type": …, "data": …}.') from None
    if isinstance(command, Image) and len(command.data.data) > MAX_IMAGE_BYTES:
        raise CommandError("image_too_big", f"Send images of at most {MAX_IMAGE_BYTES // 1000} KB.")
    return command


def _what_is_wrong(frame: str | bytes, error: Exception) -> str:
    try:
        kind = msgspec.json.decode(frame).get("type")
    except (AttributeError, RecursionError):
        return "A message is a JSON object with a type."
    except msgspec.DecodeError:
        return "This frame is not JSON."
    if kind not in TYPES:
        return f"Unknown type {str(kind)[:40]!r}. Known are: {', '.join(TYPES)}."
    return f"Wrong data in {kind!r}: {error}."


def check_pcm(pcm: bytes) -> bytes:
    """Raises CommandError where `pcm` cannot be whole 16-bit samples."""
    if len(pcm) % 2:
        raise CommandError("odd_audio", f"{len(pcm)} bytes are not whole 16-bit samples: this frame was left out.")
    return pcm

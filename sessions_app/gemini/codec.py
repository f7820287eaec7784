"""Bytes ↔ messages, for the two that come with every frame of audio. Everything rare goes through the SDK."""

import binascii
from typing import Any

import msgspec

from .server_messages import ServerMessage

_decode = msgspec.json.Decoder(ServerMessage).decode
_TO_STANDARD_BASE64 = str.maketrans("-_", "+/")


def decode(frame: bytes | str) -> ServerMessage:
    """Read one frame of Gemini.

    Raises:
        msgspec.DecodeError: the frame is not JSON, or a known field has another type than documented.
    """
    try:
        return _decode(frame)
    except msgspec.ValidationError:
        # proto3 JSON allows both base64 alphabets; msgspec reads the standard one.
        return msgspec.convert(_with_standard_base64(msgspec.json.decode(frame)), ServerMessage)


def _with_standard_base64(value: Any) -> Any:
    match value:
        case {"data": str(data), **rest}:
            return {"data": data.translate(_TO_STANDARD_BASE64), **rest}
        case dict():
            return {key: _with_standard_base64(item) for key, item in value.items()}
        case list():
            return [_with_standard_base64(item) for item in value]
    return value


def encode_audio(pcm: bytes, rate: int = 16_000) -> str:
    """The `realtimeInput` message of s16le mono audio, as a text frame.

    One concatenation around the base64 takes a tenth of the time of the SDK's pydantic round trip, and this is
    sent 25 times a second for each voice. Standard base64: proto3 JSON accepts both alphabets.
    """
    data = binascii.b2a_base64(pcm, newline=False).decode("ascii")
    return f'{{"realtime_input":{{"audio":{{"data":"{data}","mime_type":"audio/pcm;rate={rate}"}}}}}}'

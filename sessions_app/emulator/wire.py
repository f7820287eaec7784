"""Reads and writes the frames of Gemini Live's `BidiGenerateContent`.

Google parses frames as proto3 JSON: every field may be spelled `camelCase` or `snake_case`, bytes are base64 in either
alphabet, and an unknown field or a wrong type is refused with a sentence. `parse` does the same and returns plain dicts
in camelCase. Facts: https://ai.google.dev/api/live and the google-genai SDK's own frames.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

INVALID_ARGUMENT = "Request contains an invalid argument."
MAX_CLOSE_REASON = 123  # bytes, RFC 6455: 125 less the two of the code


class Refusal(Exception):
    """The client asked for something that Gemini Live refuses: the connection closes with `code` and `reason`."""

    def __init__(self, reason: str, code: int = 1007):
        super().__init__(reason)
        self.code = code
        self.reason = shorten(reason)


def shorten(reason: str) -> str:
    """Cut `reason` to what a close frame can carry."""
    return reason.encode()[:MAX_CLOSE_REASON].decode(errors="ignore")


def encode(message: dict[str, Any]) -> bytes:
    """One server frame: binary, pretty-printed, as Google sends it (`setupComplete` is 26 bytes)."""
    return (json.dumps(message, indent=2, ensure_ascii=False) + "\n").encode()


def parse(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return a client frame's one key and its value, camelCase all the way, base64 decoded. Raises `Refusal`."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        raise Refusal("Invalid JSON payload received. Unable to parse the frame as JSON.") from None
    if not isinstance(message, dict):
        raise Refusal("Invalid JSON payload received. Root element must be a message.")
    try:
        message = _read_message(message, CLIENT_MESSAGE, "")
    except RecursionError:
        raise Refusal("Invalid JSON payload received. Nesting too deep.") from None
    if len(message) != 1:
        raise Refusal(INVALID_ARGUMENT)
    return next(iter(message.items()))


# A field's reader takes its JSON value and its path and returns the parsed value.
Reader = Callable[[Any, str], Any]
Fields = dict[str, Reader]

_B64_URL_TO_STANDARD = str.maketrans("-_", "+/", "=")


@cache
def camel(name: str) -> str:
    return re.sub(r"_+([a-zA-Z0-9])", lambda found: found[1].upper(), name)


@cache
def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def _read_message(value: Any, fields: Fields, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad_value(path, "TYPE_MESSAGE", value)
    result = {}
    for key, item in value.items():
        name = camel(key) if len(key) < 100 else key
        reader = fields.get(name)
        if reader is None:
            where = f" at '{path}'" if path else ""
            raise Refusal(f'Invalid JSON payload received. Unknown name "{key[:40]}"{where}: Cannot find field.')
        if item is not None:  # proto3 JSON: null is the same as absent
            result[name] = reader(item, f"{path}.{snake(name)}" if path else snake(name))
    return result


def _bad_value(path: str, wanted: str, value: Any) -> Refusal:
    shown = json.dumps(value)[:30] if isinstance(value, str | int | float | bool) else ""
    return Refusal(f"Invalid value at '{path}' ({wanted}), {shown}".rstrip(", "))


def message(**fields: Reader) -> Reader:
    return lambda value, path: _read_message(value, fields, path)


def listed(reader: Reader) -> Reader:
    def read(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise _bad_value(path, "TYPE_MESSAGE", value)
        return [reader(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return read


def string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _bad_value(path, "TYPE_STRING", value)
    return value


def boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _bad_value(path, "TYPE_BOOL", value)
    return value


def number(value: Any, path: str) -> float:
    """Proto3 JSON also accepts a number written as a string."""
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError
        return float(value)
    except ValueError:
        raise _bad_value(path, "TYPE_FLOAT", value) from None


def integer(value: Any, path: str) -> int:
    read = number(value, path)
    if not read.is_integer():
        raise _bad_value(path, "TYPE_INT32", value)
    return int(read)


def data(value: Any, path: str) -> bytes:
    text = string(value, path).translate(_B64_URL_TO_STANDARD)
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise Refusal(f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed.") from None


def struct(value: Any, path: str) -> dict[str, Any]:
    """A free JSON object (`google.protobuf.Struct`), whose keys are the caller's own."""
    if not isinstance(value, dict):
        raise _bad_value(path, "TYPE_STRUCT", value)
    return value


def anything(value: Any, path: str) -> Any:
    return value


def one_of(*names: str) -> Reader:
    def read(value: Any, path: str) -> str:
        if value not in names:
            raise _bad_value(path, "TYPE_ENUM", value)
        return value

    return read


BLOB = message(data=data, mimeType=string, displayName=string)
PART = message(
    text=string, inlineData=BLOB, thought=boolean, thoughtSignature=anything, functionCall=anything,
    functionResponse=anything, fileData=anything, executableCode=anything, codeExecutionResult=anything,
    videoMetadata=anything, mediaResolution=anything, partMetadata=anything,
)  # fmt: skip
CONTENT = message(role=string, parts=listed(PART))
FUNCTION = message(
    name=string, description=string, behavior=one_of("BEHAVIOR_UNSPECIFIED", "UNSPECIFIED", "BLOCKING", "NON_BLOCKING"),
    parameters=struct, parametersJsonSchema=anything, response=struct, responseJsonSchema=anything,
)  # fmt: skip
TOOL = message(
    functionDeclarations=listed(FUNCTION), googleSearch=struct, codeExecution=struct, urlContext=struct,
    googleSearchRetrieval=struct, googleMaps=struct, fileSearch=struct, computerUse=struct, mcpServers=anything,
)  # fmt: skip
TRANSCRIPTION = message(
    languageCodes=listed(string), languageAuto=anything, languageHints=anything, customVocabulary=anything,
    adaptationPhrases=anything, wordTimestamp=boolean, diarization=anything, mode=string, sourceText=anything,
)  # fmt: skip
START_SENSITIVITY = one_of("START_SENSITIVITY_UNSPECIFIED", "START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW")
END_SENSITIVITY = one_of("END_SENSITIVITY_UNSPECIFIED", "END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW")
ACTIVITY_HANDLING = one_of("ACTIVITY_HANDLING_UNSPECIFIED", "START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION")
SETUP = message(
    model=string,
    generationConfig=message(
        responseModalities=listed(one_of("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO")),
        temperature=number, topP=number, topK=number, maxOutputTokens=integer, seed=integer, candidateCount=integer,
        presencePenalty=number, frequencyPenalty=number, mediaResolution=string, enableAffectiveDialog=boolean,
        translationConfig=anything,
        speechConfig=message(
            voiceConfig=message(prebuiltVoiceConfig=message(voiceName=string), replicatedVoiceConfig=anything),
            languageCode=string, multiSpeakerVoiceConfig=anything,
        ),
        thinkingConfig=message(includeThoughts=boolean, thinkingBudget=integer, thinkingLevel=string),
    ),
    systemInstruction=CONTENT,
    tools=listed(TOOL),
    sessionResumption=message(handle=string, transparent=boolean),
    inputAudioTranscription=TRANSCRIPTION,
    outputAudioTranscription=TRANSCRIPTION,
    realtimeInputConfig=message(
        automaticActivityDetection=message(
            disabled=boolean, startOfSpeechSensitivity=START_SENSITIVITY, endOfSpeechSensitivity=END_SENSITIVITY,
            prefixPaddingMs=integer, silenceDurationMs=integer,
        ),
        activityHandling=ACTIVITY_HANDLING, turnCoverage=string,
    ),
    contextWindowCompression=message(triggerTokens=integer, slidingWindow=message(targetTokens=integer)),
    proactivity=message(proactiveAudio=boolean, proactiveVideo=boolean),
    historyConfig=message(initialHistoryInClientContent=boolean),
    avatarConfig=anything, safetySettings=anything,
)  # fmt: skip
CLIENT_MESSAGE: Fields = {
    "setup": SETUP,
    "clientContent": message(turns=listed(CONTENT), turnComplete=boolean),
    "realtimeInput": message(
        audio=BLOB, video=BLOB, mediaChunks=listed(BLOB), text=string, audioStreamEnd=boolean,
        activityStart=message(), activityEnd=message(),
    ),
    "toolResponse": message(
        functionResponses=listed(message(
            id=string, name=string, response=struct, scheduling=one_of("SCHEDULING_UNSPECIFIED", "SILENT", "WHEN_IDLE",
            "INTERRUPT"), willContinue=boolean, parts=anything,
        )),
    ),
    "contextUpdate": message(systemInstruction=CONTENT, tools=anything),
}  # fmt: skip

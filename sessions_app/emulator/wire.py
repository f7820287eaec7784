"""The frames of Gemini Live's `BidiGenerateContent`: what clients may send, and what the server sends.

https://ai.google.dev/api/live and the google-genai SDK's own frames.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec

from .proto import (
    Listed,
    Mapped,
    Message,
    Mismatch,
    OneOf,
    Refusal,
    anything,
    boolean,
    check_nesting,
    data,
    int32,
    int64,
    number,
    shorten,
    string,
    struct,
)

__all__ = ["CLIENT_MESSAGE", "INVALID_ARGUMENT", "SETUP", "Refusal", "audio", "encode", "parse", "read", "shorten"]

INVALID_ARGUMENT = "Request contains an invalid argument."

# Schemas of tool arguments: a subset of OpenAPI. A key that is not here, such as `$schema`, is refused by Google too.
SCHEMA = Message(
    type=OneOf("Type", ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")),
    format=string, title=string, description=string, nullable=boolean, enum=Listed(string), maxItems=int64,
    minItems=int64, required=Listed(string), minProperties=int64, maxProperties=int64, minLength=int64,
    maxLength=int64, pattern=string, example=anything, default=anything, minimum=number, maximum=number,
    propertyOrdering=Listed(string),
)  # fmt: skip
SCHEMA.add(items=SCHEMA, properties=Mapped(SCHEMA), anyOf=Listed(SCHEMA))

BLOB = Message(data=data, mimeType=string, displayName=string)
FILE = Message(fileUri=string, mimeType=string, displayName=string)
FUNCTION_RESPONSE = Message(
    id=string, name=string, response=struct, willContinue=boolean,
    scheduling=OneOf("FunctionResponse.Scheduling", ("SCHEDULING_UNSPECIFIED", "SILENT", "WHEN_IDLE", "INTERRUPT")),
    parts=Listed(Message(inlineData=BLOB, fileData=FILE)),
)  # fmt: skip
PART = Message(
    text=string, inlineData=BLOB, fileData=FILE, thought=boolean, thoughtSignature=data,
    functionCall=Message(id=string, name=string, args=struct), functionResponse=FUNCTION_RESPONSE,
    executableCode=Message(code=string, language=string, id=string),
    codeExecutionResult=Message(outcome=string, output=string, id=string),
    videoMetadata=Message(startOffset=string, endOffset=string, fps=number),
    mediaResolution=Message(level=string, numTokens=int32), partMetadata=struct, toolCall=struct, toolResponse=struct,
    audioTranscription=struct, mediaProcessing=struct, speechMetadata=struct, documentMetadata=struct,
    spreadsheetMetadata=struct, audioMetadata=struct,
)  # fmt: skip
CONTENT = Message(role=string, parts=Listed(PART))
FUNCTION = Message(
    name=string, description=string, parameters=SCHEMA, parametersJsonSchema=anything, response=SCHEMA,
    responseJsonSchema=anything,
    behavior=OneOf("FunctionDeclaration.Behavior", ("UNSPECIFIED", "BLOCKING", "NON_BLOCKING", "BEHAVIOR_UNSPECIFIED")),
)  # fmt: skip
TOOL = Message(
    functionDeclarations=Listed(FUNCTION), googleSearch=struct, codeExecution=Message(), urlContext=Message(),
    googleSearchRetrieval=struct, googleMaps=struct, fileSearch=struct, computerUse=struct, mcpServers=Listed(struct),
    enterpriseWebSearch=struct, retrieval=struct,
)  # fmt: skip
TRANSCRIPTION = Message(
    languageCodes=Listed(string), languageAuto=Message(), languageHints=Message(languageCodes=Listed(string)),
    customVocabulary=Listed(string), adaptationPhrases=Listed(string), wordTimestamp=boolean, diarization=boolean,
    mode=OneOf("AudioTranscriptionConfig.Mode", ("MODE_UNSPECIFIED", "VERBATIM", "SMART")), sourceText=string,
)  # fmt: skip
VOICE = Message(
    prebuiltVoiceConfig=Message(voiceName=string),
    replicatedVoiceConfig=Message(mimeType=string, voiceSampleAudio=data, consentAudio=data),
)
DETECTION = "RealtimeInputConfig.AutomaticActivityDetection"
ACTIVITY_DETECTION = Message(
    disabled=boolean, prefixPaddingMs=int32, silenceDurationMs=int32,
    startOfSpeechSensitivity=OneOf(f"{DETECTION}.StartSensitivity", (
        "START_SENSITIVITY_UNSPECIFIED", "START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW")),
    endOfSpeechSensitivity=OneOf(f"{DETECTION}.EndSensitivity", (
        "END_SENSITIVITY_UNSPECIFIED", "END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW")),
)  # fmt: skip
GENERATION = Message(
    responseModalities=Listed(OneOf("GenerationConfig.Modality", (
        "MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO"))),
    temperature=number, topP=number, topK=number, maxOutputTokens=int32, seed=int32, candidateCount=int32,
    presencePenalty=number, frequencyPenalty=number, stopSequences=Listed(string), enableAffectiveDialog=boolean,
    responseMimeType=string, responseSchema=SCHEMA, responseJsonSchema=anything, responseLogprobs=boolean,
    logprobs=int32, audioTimestamp=boolean, enableEnhancedCivicAnswers=boolean, routingConfig=struct,
    modelSelectionConfig=struct, responseFormat=Listed(struct), audioTranscriptionConfig=TRANSCRIPTION,
    mediaResolution=OneOf("GenerationConfig.MediaResolution", (
        "MEDIA_RESOLUTION_UNSPECIFIED", "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH")),
    translationConfig=Message(echoTargetLanguage=boolean, targetLanguageCode=string),
    speechConfig=Message(
        voiceConfig=VOICE, languageCode=string,
        multiSpeakerVoiceConfig=Message(speakerVoiceConfigs=Listed(Message(speaker=string, voiceConfig=VOICE))),
    ),
    thinkingConfig=Message(
        includeThoughts=boolean, thinkingBudget=int32,
        thinkingLevel=OneOf("ThinkingConfig.ThinkingLevel", (
            "THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")),
    ),
)  # fmt: skip
SETUP = Message(
    model=string,
    generationConfig=GENERATION,
    systemInstruction=CONTENT,
    tools=Listed(TOOL),
    sessionResumption=Message(handle=string, transparent=boolean),
    inputAudioTranscription=TRANSCRIPTION,
    outputAudioTranscription=TRANSCRIPTION,
    realtimeInputConfig=Message(
        automaticActivityDetection=ACTIVITY_DETECTION,
        activityHandling=OneOf("RealtimeInputConfig.ActivityHandling", (
            "ACTIVITY_HANDLING_UNSPECIFIED", "START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION")),
        turnCoverage=OneOf("RealtimeInputConfig.TurnCoverage", (
            "TURN_COVERAGE_UNSPECIFIED", "TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT",
            "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO")),
        interimTranscriptTimestampEnabled=boolean,
    ),
    contextWindowCompression=Message(triggerTokens=int64, slidingWindow=Message(targetTokens=int64)),
    proactivity=Message(proactiveAudio=boolean, proactiveVideo=boolean),
    historyConfig=Message(initialHistoryInClientContent=boolean),
    explicitVadSignal=boolean, labels=Mapped(string), avatarConfig=struct,
    safetySettings=Listed(Message(category=string, method=string, threshold=string)),
)  # fmt: skip
CLIENT_MESSAGE = Message(
    setup=SETUP,
    clientContent=Message(turns=Listed(CONTENT), turnComplete=boolean),
    realtimeInput=Message(
        audio=BLOB, video=BLOB, mediaChunks=Listed(BLOB), text=string, audioStreamEnd=boolean, activityStart=Message(),
        activityEnd=Message(),
    ),
    toolResponse=Message(functionResponses=Listed(FUNCTION_RESPONSE)),
    contextUpdate=Message(systemInstruction=CONTENT, tools=Message(tools=Listed(TOOL))),
)  # fmt: skip


def parse(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return a client frame's one key and its value, camelCase all the way, base64 decoded. Raises `Refusal`."""
    try:
        message = msgspec.json.decode(frame)
    except (ValueError, RecursionError):
        raise Refusal("Invalid JSON payload received. Unable to parse the frame as JSON.") from None
    if not isinstance(message, dict):
        raise Refusal("Invalid JSON payload received. Root element must be a message.")
    check_nesting(message)
    read_message = read(CLIENT_MESSAGE, message)
    if len(read_message) != 1:
        raise Refusal(INVALID_ARGUMENT)
    return next(iter(read_message.items()))


def read(reader: Message, value: dict[str, Any]) -> dict[str, Any]:
    """Read JSON that is already parsed. Raises `Refusal`."""
    try:
        return reader(value)
    except Mismatch as mismatch:
        raise Refusal(mismatch.reason.replace(" at ''", "")) from None


def encode(message: dict[str, Any]) -> bytes:
    """One server frame: binary, pretty-printed, as Google sends it (`setupComplete` is 26 bytes)."""
    return (json.dumps(message, indent=2, ensure_ascii=False) + "\n").encode()


def _audio_frame(rate: int) -> tuple[bytes, bytes]:
    blob = {"mimeType": f"audio/pcm;rate={rate}", "data": "@"}
    head, tail = encode({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}).split(b"@")
    return head, tail


_AUDIO = {24_000: _audio_frame(24_000)}


def audio(pcm: bytes, rate: int = 24_000) -> bytes:
    """The frame that `encode` would make of one piece of speech, at a tenth of the cost."""
    head, tail = _AUDIO[rate]
    return b"".join((head, base64.b64encode(pcm), tail))

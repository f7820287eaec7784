"""Plain HTTP on the emulator's port: text answers, ephemeral tokens, and what tests of other programs ask and do.

POST   /{version}/auth_tokens
POST   /{version}/models/{model}:generateContent
GET    /_emulator/sessions          GET /_emulator/sessions/{number}
GET    /_emulator/faults            POST, DELETE; DELETE /_emulator/faults/{id}
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from . import generate
from .faults import KINDS, MOMENTS, Fault, FaultError
from .proto import check_nesting
from .wire import Refusal

if TYPE_CHECKING:
    from .server import Emulator

STATUS_NAMES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    405: "UNIMPLEMENTED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip
TOKENS = re.compile(r"/{1,2}(v1|v1beta|v1alpha)/auth_tokens")


class HttpError(Exception):
    """A request that is refused with this status and sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def respond(emulator: Emulator, request: Request, path: str, key: str, body: bytes) -> Response:
    """Answer a request that is no WebSocket handshake. Never raises for what a client sends."""
    try:
        return reply(HTTPStatus.OK, _route(emulator, request.method, path, key, body))
    except HttpError as error:
        return refuse(error.status, str(error))


def reply(status: int, value: Any) -> Response:
    body = (json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n").encode(errors="replace")
    headers = Headers()
    headers["Content-Type"] = "application/json; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(int(status), HTTPStatus(status).phrase, headers, body)


def refuse(status: int, sentence: str) -> Response:
    """As Google's REST APIs refuse."""
    name = STATUS_NAMES.get(status, HTTPStatus(status).name)
    return reply(status, {"error": {"code": int(status), "message": sentence, "status": name}})


def _route(emulator: Emulator, method: str, path: str, key: str, body: bytes) -> Any:
    if TOKENS.fullmatch(path):
        if method != "POST":
            raise HttpError(405, "Make a token with POST.")
        return _make_token(emulator, key, body)
    if (found := generate.PATH.fullmatch(path)) and method == "POST":
        return _generate(emulator, key, body, **found.groupdict())
    match [step for step in path.split("/") if step], method:
        case ["_emulator", "sessions"], "GET":
            return {"sessions": [session.describe() for session in emulator.all_sessions]}
        case ["_emulator", "sessions", number], "GET":
            return _session(emulator, number)
        case ["_emulator", "faults"], "GET":
            kinds = {kind: {"at": at, "does": does} for kind, (at, does) in KINDS.items()}
            return {"faults": emulator.faults.describe(), "kinds": kinds, "moments": MOMENTS}
        case ["_emulator", "faults"], "POST":
            return _add_faults(emulator, body)
        case ["_emulator", "faults"], "DELETE":
            emulator.faults.clear()
            return {"faults": []}
        case ["_emulator", "faults", number], "DELETE":
            if not (number.isdecimal() and len(number) < 10 and emulator.faults.remove(int(number))):
                raise HttpError(404, f"No fault with the id {number[:20]} is waiting.")
            return {"faults": emulator.faults.describe()}
        case ["_emulator", "faults" | "sessions", *_], _:
            raise HttpError(405, f"{method} does nothing here: see docs/emulator.md.")
    raise HttpError(404, "The emulator of Gemini Live has no such path.")


def _check_key(emulator: Emulator, key: str) -> None:
    if not key:
        raise HttpError(403, "Method doesn't allow unregistered callers. Please use API Key to call this API.")
    if key in emulator.bad_keys:
        raise HttpError(400, "API key not valid. Please pass a valid API key.")


def _generate(emulator: Emulator, key: str, body: bytes, **asked: str) -> dict[str, Any]:
    emulator.generations += 1
    if refused := emulator.faults.due("generate", 0, emulator.generations).get("refuse_generate"):
        raise HttpError(refused.status, refused.reason or "The model is overloaded. Please try again later.")
    _check_key(emulator, key)
    try:
        return generate.generate(emulator.script, **asked, body=_json(body))
    except Refusal as refusal:
        raise HttpError(refusal.code, str(refusal)) from None


def _make_token(emulator: Emulator, key: str, body: bytes) -> dict[str, Any]:
    _check_key(emulator, key)
    try:
        return emulator.tokens.create(_json(body) if body else {})
    except Refusal as refusal:
        raise HttpError(400, refusal.reason) from None


def _session(emulator: Emulator, number: str) -> dict[str, Any]:
    for session in emulator.all_sessions:
        if str(session.number) == number:
            frames = [{**asdict(frame), "seconds": round(frame.seconds, 4)} for frame in session.frames]
            return {**session.describe(), "frames": frames}
    raise HttpError(404, f"There is no session {number[:20]}.")


def _add_faults(emulator: Emulator, body: bytes) -> dict[str, Any]:
    given = _json(body)
    try:
        faults = [Fault.read(item) for item in (given if isinstance(given, list) else [given])]
    except FaultError as error:
        raise HttpError(400, str(error)) from None
    for fault in faults:
        emulator.let_strike(fault)
    return {"faults": emulator.faults.describe()}


def _json(body: bytes) -> Any:
    try:
        value = msgspec.json.decode(body)
        check_nesting(value)
    except (ValueError, RecursionError, Refusal):
        raise HttpError(400, "Invalid JSON payload received. Unable to parse the body as JSON.") from None
    return value

"""Ephemeral tokens: `POST /{version}/auth_tokens` makes one, `BidiGenerateContentConstrained` takes it.

https://ai.google.dev/gemini-api/docs/ephemeral-tokens. What Google answers to a token that is unknown, expired or used
up is not documented; the sentences here are ours.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import wire
from .clock import Clock
from .proto import Message, Mismatch, int32, snake, string
from .wire import Refusal

REQUEST = Message(
    name=string, expireTime=string, newSessionExpireTime=string, uses=int32, bidiGenerateContentSetup=wire.SETUP,
    fieldMask=string,
)  # fmt: skip
LIFETIME = datetime.timedelta(minutes=30)
NEW_SESSION_LIFETIME = datetime.timedelta(seconds=60)
MAX_LIFETIME = datetime.timedelta(hours=20)
MAX_TOKENS = 10_000


@dataclass
class Token:
    """`setup` and `locked`: the fields that a session cannot choose; `locked` None: all of them."""

    expires: datetime.datetime
    new_session_expires: datetime.datetime
    uses: int  # sessions that it may still begin; 0 is without limit at the start
    unlimited: bool
    setup: dict[str, Any] | None
    locked: list[list[str]] | None


class Tokens:
    """Those that were made, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    def create(self, request: Any) -> dict[str, Any]:
        """The answer to a request. Raises `Refusal`."""
        now = self._clock.now()
        try:
            given = REQUEST(request)
        except Mismatch as mismatch:
            raise Refusal(mismatch.reason.replace("''", "'auth_token'"), code=400) from None
        expires = _time(given, "expireTime", now + LIFETIME)
        if not now < expires <= now + MAX_LIFETIME:
            raise Refusal("expire_time must be in the future and at most 20 hours away.", code=400)
        setup = given.get("bidiGenerateContentSetup")
        mask = given.get("fieldMask", "")
        locked = [_field(path) for path in mask.split(",") if path]
        if setup is not None and locked and not all(_covered(path, locked) for path in _paths(setup)):
            raise Refusal("BidiGenerateContentSetup contains fields that are not specified in field_mask.", code=400)
        uses = given.get("uses", 1)
        name = f"auth_tokens/{secrets.token_hex(32)}"
        self._tokens[name] = Token(
            expires=expires,
            new_session_expires=_time(given, "newSessionExpireTime", now + NEW_SESSION_LIFETIME),
            uses=uses,
            unlimited=uses == 0,
            setup=setup,
            locked=(locked or None) if setup is not None else [],
        )
        while len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return {"name": name}

    def use(self, name: str, setup: dict[str, Any]) -> dict[str, Any]:
        """Begin a session with a token; the setup that it really gets. Raises `Refusal`."""
        token = self._tokens.get(name)
        now = self._clock.now()
        if token is None:
            raise Refusal("Token is invalid.", code=1008)
        if now >= token.expires:
            raise Refusal("Token has expired.", code=1008)
        resumes = bool(setup.get("sessionResumption", {}).get("handle"))
        if not resumes:  # going on with a session is no new one
            if now >= token.new_session_expires:
                raise Refusal("Token can begin no new session any more.", code=1008)
            if not token.unlimited:
                if token.uses <= 0:
                    raise Refusal("Token has been used.", code=1008)
                token.uses -= 1
        return _constrain(token, setup)


def _constrain(token: Token, setup: dict[str, Any]) -> dict[str, Any]:
    if token.setup is None:
        return setup
    if token.locked is None:
        # All is locked, and what the client says is ignored, but for the handle: that is no configuration.
        resumption = {key: setup[key] for key in ("sessionResumption",) if key in setup}
        return {"model": setup.get("model", ""), **token.setup, **resumption}
    result = _copy(setup)
    for path in token.locked:
        holder, source = result, token.setup
        for step in path[:-1]:
            source = source.get(step, {})
            holder = holder.setdefault(step, {})
        if path[-1] in source:
            holder[path[-1]] = source[path[-1]]
        else:
            holder.pop(path[-1], None)
    return result


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value


def _field(path: str) -> list[str]:
    """A path of a field mask as the setup's own names. Raises `Refusal` for one that leads nowhere."""
    steps, reader = [], wire.SETUP
    for step in path.split("."):
        fields = reader.fields if isinstance(reader, Message) else {}
        name = next((name for name in fields if step in (name, snake(name))), None)
        if name is None:
            raise Refusal(f"Invalid value at 'field_mask': there is no field {path[:40]!r}.", code=400)
        steps, reader = [*steps, name], fields[name]
    return steps


def _paths(setup: dict[str, Any]) -> Iterator[list[str]]:
    """What a setup sets, two levels deep, as the SDKs name it in their masks."""
    for key, value in setup.items():
        if isinstance(value, dict) and value:
            yield from ([key, inner] for inner in value)
        else:
            yield [key]


def _covered(path: list[str], locked: list[list[str]]) -> bool:
    return any(path[: len(mask)] == mask[: len(path)] for mask in locked)


def _time(given: dict[str, Any], name: str, default: datetime.datetime) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(given[name]) if name in given else default
        return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    except ValueError:
        raise Refusal(f"Invalid value at 'auth_token.{snake(name)}' (type.googleapis.com/google.protobuf.Timestamp).",
                      code=400) from None  # fmt: skip

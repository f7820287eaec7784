"""The people of the soak: each talks with our server as the page does, and remembers what it asked and heard."""

import asyncio
import json
import random
import re
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .callers import CHUNK, CHUNK_SECONDS, OPTIONS

MARKER = re.compile(r"p\d{3}q\d{4}")
WORDS = {  # soak.toml has the answers
    "remark": "please note {}",
    "quick tool": "please look up {}",
    "slow tool": "please work on {}",
    "story": "please tell about {}",
    "barge-in": "please tell about {}",
}
OFTEN = {"remark": 7, "quick tool": 4, "slow tool": 3, "story": 1, "barge-in": 4}
PATIENCE = 45.0  # seconds; a question that is not answered until then is lost (a story that breaks off is told anew)
BYTES_A_MS = 48


def ending(marker: str) -> str:
    """The last words of every answer."""
    return f"that was {marker}."


@dataclass
class Question:
    marker: str
    kind: str
    asked: float = field(default_factory=time.time)
    barged: bool = False
    """The next question was asked in the middle of the answer, which may remain a part."""
    final: bool = False
    """The server has told that the turn is saved."""
    answers: int = 0
    waited: float | None = None
    lost: bool = False
    saw: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    answered: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


@dataclass
class Turn:
    user: str = ""
    model: str = ""
    audio: int = 0


class Person:
    def __init__(self, number: int, seed: int = 0):
        self.name = f"p{number:03}"
        self.chance = random.Random(f"{seed}/{number}")
        self.session_id = ""
        self.questions: dict[str, Question] = {}
        self.turns: defaultdict[int, Turn] = defaultdict(Turn)
        self.turn: Turn | None = None
        self.calls: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.reconnecting: list[float] = []
        """Seconds from each RECONNECTING to the CONNECTED after it."""
        self.wrong: defaultdict[str, list[str]] = defaultdict(list)
        """What broke a promise, by promise."""
        self._away_since: float | None = None
        self._flushed = False
        self._connected = asyncio.Event()
        self._log: deque[str] = deque(maxlen=14)
        self._socket: ClientConnection

    # --- What a person does ------------------------------------------------------------------------------------

    async def talk(self, url: str, until: float) -> None:
        """Ask one question after the other until that moment (of time.monotonic)."""
        try:
            async with connect(url, **OPTIONS, origin="http://soak", subprotocols=["gemlive.v1"]) as self._socket:
                tasks = [asyncio.create_task(self._listen())]
                try:
                    # By its name the emulator's connections of this person are found again.
                    await self._send("connect", systemInstruction=f"You talk with {self.name}.")
                    await asyncio.wait_for(self._connected.wait(), PATIENCE)
                    tasks.append(asyncio.create_task(self._speak()))
                    await asyncio.sleep(self.chance.uniform(0, 2))
                    while time.monotonic() < until:
                        await self._converse()
                    await self._leave()
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        except (ConnectionClosed, OSError, TimeoutError) as error:
            self.wrong["no conversation breaks"].append(f"{self.name}: {error!r} after {list(self._log)[-4:]}")

    async def _speak(self) -> None:
        """The microphone of one who types: silence, in real time."""
        due = time.monotonic() + self.chance.uniform(0, CHUNK_SECONDS)
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._socket.send(CHUNK)
                due += CHUNK_SECONDS

    async def _converse(self) -> None:
        kind = self.chance.choices(list(OFTEN), list(OFTEN.values()))[0]
        question = await self._ask(kind)
        if kind == "barge-in":
            await self._wait(question, question.begun)
            await asyncio.sleep(self.chance.uniform(0.2, 2))
            if not (question.answered.is_set() or question.lost):
                question.barged = True
                self.counts["barge-ins"] += 1
                question = await self._ask("remark")
        await self._wait(question, question.answered)
        await asyncio.sleep(self.chance.uniform(0.3, 2))

    async def _ask(self, kind: str) -> Question:
        # A break is counted by itself: who knows of it does not go on asking.
        await asyncio.wait_for(self._connected.wait(), PATIENCE)
        marker = f"{self.name}q{len(self.questions) + 1:04}"
        question = self.questions[marker] = Question(marker, kind)
        await self._send("text", text=WORDS[kind].format(marker))
        return question

    async def _wait(self, question: Question, event: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(event.wait(), 0 if question.lost else PATIENCE)
        except TimeoutError:
            question.lost = True
            question.saw = question.saw or list(self._log)

    async def _leave(self) -> None:
        """Not before the last turn is told saved: what comes after the goodbye nobody would hear."""
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while not all(question.final for question in self.questions.values()):
                    await asyncio.sleep(0.1)
        await self._send("disconnect")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._socket.wait_closed(), 5)
        for call_id, name in self.calls.items():
            self.wrong["every call is answered"].append(f"{self.name}: {name} ({call_id}) never showed a result")

    async def _send(self, kind: str, **data) -> None:
        self._note(f"→ {kind} {data.get('text', '')}".strip())
        await self._socket.send(json.dumps({"type": kind, "data": data} if data else {"type": kind}))

    # --- What a person hears -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for frame in self._socket:
            if isinstance(frame, bytes):
                self._hear(len(frame))
            else:
                message = json.loads(frame)
                await self._read(message["type"], message.get("data", {}), message)

    def _hear(self, size: int) -> None:
        if self._flushed:
            self._flushed = False  # once for each: the rest of one reply is one fault
            self.wrong["no audio after an interruption"].append(f"{self.name}: {size} bytes after {list(self._log)}")
        if self.turn:
            self.turn.audio += size

    async def _read(self, kind: str, data: dict, message: dict) -> None:
        self._note(_told(kind, data))
        match kind:
            case "status":
                self.session_id = message.get("sessionId") or self.session_id
                await self._status(data)
            case "audio":
                # Told with nothing to be heard yet, it leaves this turn's own reply to come.
                self._flushed = bool(self.turn and self.turn.audio)
                self.counts["interruptions"] += 1
            case "turn" if data["state"] == "started":
                self._flushed = False
                self.turn = self.turns[data["turnId"]]
            case "turn" if data["state"] in ("complete", "interrupted"):
                await self._turn_ended(data["turnId"], whole=data["state"] == "complete")
            case "transcription":
                self._words(self.turns[data["turnId"]], data)
            case "function_call":
                self.calls[data["callId"]] = data["name"]
                self.counts["calls"] += 1
            case "function_result":
                self.calls.pop(data["callId"], None)
                self.counts[f"calls {data['status']}"] += 1
            case "error":
                self.counts[f"error {data['code']}"] += 1

    async def _status(self, data: dict) -> None:
        now = time.monotonic()
        match data["status"]:
            case "CONNECTED":
                self._connected.set()
                self.counts["connections"] += 1
                if self._away_since:
                    self.reconnecting.append(now - self._away_since)
                    self.counts["resumed" if data.get("resumed") else "begun afresh"] += 1
                    self._away_since = None
            case "RECONNECTING":
                self._away_since = now
            case "ERROR":
                self.wrong["no conversation breaks"].append(f"{self.name}: {data.get('reason')}")
                self._connected.clear()
                self._away_since = None
                await asyncio.sleep(1)
                await self._send("connect", systemInstruction=f"You talk with {self.name}.")

    def _words(self, turn: Turn, data: dict) -> None:
        if data["isUser"]:
            turn.user += data["text"]
            if data["isFinal"]:
                for marker in MARKER.findall(turn.user):
                    self.questions[marker].final = True
        else:
            turn.model += data["text"]
            for marker in MARKER.findall(turn.model):
                self.questions[marker].begun.set()

    async def _turn_ended(self, turn_id: int, *, whole: bool) -> None:
        turn = self.turns.pop(turn_id)
        self.counts["turns"] += 1
        ms = turn.audio // BYTES_A_MS
        await self._send("played", turnId=turn_id, ms=ms, dropped=0)
        asked = set(MARKER.findall(turn.user))
        for marker in set(MARKER.findall(turn.model)):
            question = self.questions[marker]
            # Said again together with the next one, a question is cut by that one: its first words stand there. So does
            # the whole of an answer that had been heard to its last word when the connection took its end along.
            if whole and asked and marker not in asked and not question.answered.is_set():
                self.wrong["no answer stands at another's question"].append(f"{turn.user!r}: {turn.model!r}")
            if ending(marker) not in turn.model:
                continue
            question.waited = question.waited or time.time() - question.asked
            question.answered.set()
            # Lost after its last word, before Gemini called it complete: heard it was, and may be answered again.
            question.answers += turn.model.count(ending(marker)) if whole else 0
            if question.answers > 1:
                self.wrong["no question is answered twice"].append(f"{marker} ({question.kind}): {list(self._log)}")
            if not ms:
                self.wrong["no answer is without a voice"].append(f"{marker}: {turn.model!r}")

    def _note(self, line: str) -> None:
        if not (self._log and self._log[-1].endswith(line)):  # a reply comes in fifty pieces
            self._log.append(f"{time.time() % 1000:07.3f} {line}")


def _told(kind: str, data: dict) -> str:
    """A message of the server in a line."""
    if kind == "transcription" and not (data["isUser"] or data["isFinal"]):
        return f"words of turn {data['turnId']}"
    return f"{kind} {' '.join(str(value) for key, value in data.items() if key not in ('phrases', 'byModality'))}"[:90]

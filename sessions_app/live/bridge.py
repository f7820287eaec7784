"""One conversation between a browser and Gemini: what each side says goes to the other, tools run beside it.

Nothing here waits on the way of the audio but Gemini's own socket.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from ..browser import commands
from ..browser import events as page
from ..gemini.errors import CONNECTION_LOST, Failure, Remedy
from . import events
from .away import Away
from .buffers import Uplink
from .calls import CallRules, Calls
from .connections import Connections, ConversationFailed
from .departure import Departure
from .handover import Handover
from .inbound import Inbound
from .journal import SECOND_OF_AUDIO
from .ledger import Ledger
from .limits import Backend, Limits, Over, Totals, Unmetered
from .marks import Marks
from .memory import Memory
from .ports import Browser, Gemini, Meter, Recorder, Tools
from .protocol import Conversation
from .watch import Watch

logger = logging.getLogger(__name__)


class Bridge:
    """Runs one conversation."""

    def __init__(
        self,
        *,
        browser: Browser,
        connections: Connections,
        tools: Tools,
        recorder: Recorder,
        backend: Backend,
        conversation: Conversation | None = None,
        totals: Totals | None = None,
        memory: Memory | None = None,
        call_rules: CallRules | None = None,
        limits: Limits | None = None,
        meter: Meter | None = None,
        marks: Marks | None = None,
    ):
        self._browser = browser
        self._connections = connections
        self._tools = tools
        self._recorder = recorder
        self.backend = backend
        self._conversation = conversation or Conversation()
        self._memory = memory or Memory()
        self._uplink = Uplink()
        tell = lambda event: self._browser.send(event)  # noqa: E731  to whichever is there by then
        self._calls = Calls(tools, self._uplink, tell, call_rules or CallRules())
        self._meter = meter or Unmetered()
        self._ledger = Ledger(recorder, self._meter, totals or Totals(), tell)
        self._handover = Handover(self._conversation, self._uplink, self._memory, self._calls)
        connections.has_history = lambda: bool(self._memory)
        self._tasks: asyncio.TaskGroup | None = None
        self._gemini: Gemini | None = None
        self._running: asyncio.Task[object] | None = None
        self._over: Over | None = None
        self._marks = marks or Marks()
        inbound = Inbound(
            uplink=self._uplink,
            conversation=self._conversation,
            calls=self._calls,
            marks=self._marks,
            recorder=recorder,
            tell=tell,
            handle=self._handle,
        )
        self.hear, self.obey = inbound.hear, inbound.obey
        self.failed = False
        """Gemini cannot be had: this bridge will not converse any more."""
        self._departure = Departure(
            between_turns=lambda: self._conversation.between_turns and not self._calls.pending,
            has_handle=lambda: self._memory.complete,
            leave=self.connect_anew,
        )
        self._watch = Watch(limits or Limits(), self, self._meter)
        self._dropped_before = 0

    def leave(self) -> None:
        """The browser has gone, perhaps not for long: Gemini is hung up, tools run on, nothing is forgotten."""
        if self._marks.is_open:  # who held the button has let go of it
            self.obey(commands.ActivityEnd())
        self._browser = Away()
        self._meter.rest()
        self._connections.wanted.clear()
        self._recorder.update(status="paused")
        self.connect_anew()

    def come_back(self, browser: Browser) -> None:
        """The conversation goes on where it stood, with what was missed."""
        away, self._browser = self._browser, browser
        if isinstance(away, Away):
            for event in away.missed:
                browser.send(event)
        self._calls.ask_again()
        self._watch.user_active()
        self._meter.begin()
        self._connections.wanted.set()

    # --- Connections -------------------------------------------------------------------------------------------

    async def run(self) -> Failure | Over | None:
        """Connect, converse, reconnect, until cancelled; or until Gemini cannot be had, or a limit is reached: the page
        then knows why."""
        self._running = asyncio.current_task()
        self._meter.begin()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                watch = self._tasks.create_task(self._watch.run(self._end_by_limit), name="watch")
                try:
                    return await self._connect_and_converse()
                finally:
                    watch.cancel()
                    self._end()
        except asyncio.CancelledError:
            if self._over is None:
                raise
            if task := asyncio.current_task():
                task.uncancel()
            return self._over
        finally:
            self._meter.end()
            await self._tools.close()

    async def _connect_and_converse(self) -> Failure:
        connected = False
        try:
            async with aclosing(aiter(self._connections)) as connections:
                async for gemini in connections:
                    if not self._connections.wanted.is_set():
                        continue  # the browser left while we dialled
                    connected = True
                    with suppress(*CONNECTION_LOST):
                        await self._tell_what_was_said(gemini)
                    await self._converse(gemini)
                    self._disconnected()
        except ConversationFailed as failed:
            failure = failed.failure
        logger.warning("Conversation failed (%s): %s", failure.code, failure.detail)
        self.failed = True
        self._handle(self._conversation.end())
        retryable = connected or failure.remedy is not Remedy.FATAL
        self._browser.send(page.error(failure.code, failure.message, retryable=retryable))
        self._browser.send(page.status("ERROR", failure.message))
        return failure

    async def _tell_what_was_said(self, gemini: Gemini) -> None:
        resumed = self._connections.resumed
        goes_on = self._handover.goes_on(resumed=resumed)
        messages, answer = self._handover.untold(resumed=resumed)
        if messages:
            await gemini.send_history(messages, answer=answer)
        backend = self.backend
        first = {} if goes_on else {"connected_at": datetime.now(UTC)}
        self._recorder.update(status="live", **first)
        self._browser.send(
            page.Status(
                data=page.StatusData(
                    status="CONNECTED",
                    backend=backend.kind,
                    model=backend.model,
                    voice=backend.voice,
                    resumed=goes_on,
                    phrases=backend.phrases,
                )
            )
        )

    async def _converse(self, gemini: Gemini) -> None:
        """Until this connection ends. It is closed by us when Gemini says goodbye: between two turns, or in time."""
        assert self._tasks is not None  # noqa: S101
        clock = asyncio.get_running_loop().time
        self._gemini = gemini
        self._watch.gemini_spoke(clock())
        sender = self._tasks.create_task(self._send_uplink(gemini), name="uplink")
        receive = self._conversation.receive
        try:
            async for message in gemini:
                self._watch.gemini_spoke(clock())
                for event in receive(message):
                    if type(event) is events.Audio:
                        self._browser.send_audio(event.pcm)
                    else:
                        self._handle([event])
                if self._departure.announced:
                    self._departure.something_happened()
        finally:
            self._gemini = None
            self._departure.stop()
            sender.cancel()

    def _disconnected(self) -> None:
        here = self._connections.wanted.is_set()
        happened, repeats = self._handover.connection_lost(put_off=not here)
        self._handle(happened)
        if not repeats:
            message = "Gemini broke off five times over your last question. Ask it in another way."
            self._browser.send(page.error("not_answered", message))
        self._handover.repeat()
        if here:
            self._browser.send(page.status("RECONNECTING"))
            self._recorder.reconnecting()

    def connect_anew(self) -> None:
        """Hang up; the next connection is made where somebody wants it."""
        if self._gemini and self._tasks:
            self._connections.planned = True
            self._tasks.create_task(self._gemini.close(), name="close")

    async def _send_uplink(self, gemini: Gemini) -> None:
        uplink = self._uplink
        while True:
            item = await uplink.get()
            try:
                if isinstance(item, tuple):
                    await gemini.send_audio(*item)
                else:
                    await item.send(gemini)
            except CONNECTION_LOST:
                return  # the receive loop sees the same end
            except Exception:
                # The SDK refuses this one: sent again it would hold up everything behind it.
                uplink.discard_in_flight()
                logger.exception("A message to Gemini was left out")
                message = "Your last message could not be passed on to Gemini. Say it in another way."
                self._browser.send(page.error("not_sent", message))

    # --- What Gemini says --------------------------------------------------------------------------------------

    def _handle(self, happened: Iterable[events.Event]) -> None:
        for event in happened:
            match event:
                case events.Said(turn_id, is_user, text):
                    self._watch.gemini_answered()
                    if is_user:
                        self._calls.user_goes_on()
                    self._browser.send(page.transcription(turn_id, is_user=is_user, text=text))
                case events.Interrupted():
                    self._browser.send(page.INTERRUPT_AUDIO)
                case events.TurnStarted(turn_id):
                    self._watch.user_active()
                    self._browser.send(page.turn(turn_id, "started"))
                case events.ReplyStarted():
                    self._watch.gemini_answered()
                    self._handover.reply_started()
                case events.Generated(turn_id, waited):
                    self._browser.send(page.turn(turn_id, "generated", waited))
                case events.TurnEnded():
                    self._turn_ended(event)
                case events.ToolCallRequested():
                    if self._tasks:
                        self._calls.start(event, self._tasks)
                case events.ToolCallCancelled(call_id):
                    self._calls.withdraw(call_id)
                case events.UsageReported():
                    self._ledger.count(event)
                case events.HandleRenewed(handle):
                    # An empty one says "not just now": the last good handle stays the best we have.
                    if handle:
                        self._connections.handle = handle
                        self._memory.handle_renewed()
                        self._recorder.save_handle(handle)
                case events.GoingAway(seconds):
                    self._departure.go_away(seconds)

    def _turn_ended(self, turn: events.TurnEnded) -> None:
        self._watch.user_active()
        self._handover.turn_ended(turn)
        self._connections.of_use |= turn.answered
        self._ledger.turn_ended(turn)

    @property
    def waiting(self) -> tuple[int, int]:
        """Bytes of audio, and other messages, that wait for Gemini."""
        return self._uplink.waiting

    # --- Limits ------------------------------------------------------------------------------------------------

    @property
    def awaited(self) -> bool:
        """Gemini owes something: an answer, the rest of one, or a word about what sounded like speech."""
        asked = self._conversation.awaits_gemini and not self._calls.pending
        if self._gemini is None or self._marks.is_open:  # who holds the button is not answered yet
            return False
        return asked or self._uplink.speech_unanswered

    def give_up_waiting(self) -> None:
        """Two connections had nothing to say."""
        asked = self._conversation.awaits_gemini
        self._handle(self._handover.give_up())
        if asked:
            self._browser.send(page.error("not_answered", "Gemini did not answer. Say it again, in other words."))

    def tell_dropped_audio(self) -> None:
        dropped = self._uplink.dropped_bytes
        if dropped == self._dropped_before:
            return
        if not self._dropped_before:
            message = "Gemini could not be reached or was slow for long: the oldest part of what you said was left out."
            self._browser.send(page.error("audio_dropped", message))
        self._dropped_before = dropped
        self._recorder.update(dropped_audio_ms=dropped * 1000 // SECOND_OF_AUDIO)

    def _end_by_limit(self, over: Over) -> None:
        self._over = over
        if self._running:
            self._running.cancel()

    def _end(self) -> None:
        self._calls.end()
        for event in self._conversation.end():
            if isinstance(event, events.TurnEnded):
                self._recorder.save_turn(event)

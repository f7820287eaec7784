"""Gemini's messages → events. Knows where the turn stands; never waits, never sends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from ..gemini.server_messages import ServerContent, ServerMessage
from .events import (
    Audio,
    Event,
    Generated,
    GoingAway,
    HandleRenewed,
    Interrupted,
    ReplyStarted,
    Said,
    ToolCallCancelled,
    ToolCallRequested,
    TurnEnded,
    TurnStarted,
)
from .turns import Repetition, Turn
from .usage import Usage

# Gemini ends an interrupted turn at once. Should that mark be lost, audio flows again after this.
LONGEST_SILENCING = timedelta(seconds=3)
REMEMBERED_CALLS = 1000
BYTES_A_SECOND = 48_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Conversation:
    """The state of one conversation, over all its connections.

    Turn ids are counted up from `first_turn_id`. Each method returns the events that follow from what it is told.
    """

    def __init__(
        self,
        first_turn_id: int = 1,
        clock: Callable[[], datetime] = _utc_now,
        usage_counts: Literal["turn", "session"] = "turn",
    ):
        self._next_id = first_turn_id
        self._clock = clock
        self._turn: Turn | None = None
        self._typed_ahead: list[str] = []
        self._asked_at: datetime | None = None
        self._silenced_by: Literal["", "gemini", "user"] = ""
        self._silenced_at = clock()
        self._complete_is_old = False  # an interrupted turn still gets its turnComplete
        self._usage = Usage(usage_counts)
        self._calls: dict[str, None] = {}  # in order, so that the oldest can be forgotten
        self._unanswered = ""  # heard by Gemini, in its own words
        self._repeated = Repetition("")

    @property
    def between_turns(self) -> bool:
        return self._turn is None

    @property
    def awaits_gemini(self) -> bool:
        """A question waits for its answer, or an answer for its rest."""
        return self._turn is not None and not self._turn.generated

    def receive(self, message: ServerMessage) -> list[Event]:
        """Read one message of Gemini, every key and part of it, in the order that they have on the wire."""
        events: list[Event] = []
        if message.usage_metadata:
            self._usage.report(message.usage_metadata)
        if message.voice_activity and message.voice_activity.type == "ACTIVITY_END":
            self._asked_at = self._clock()
        if message.server_content:
            self._content(message.server_content, events)
        if message.tool_call:
            for call in message.tool_call.function_calls:
                # The same call may be delivered twice; it runs once.
                if call.id not in self._calls:
                    self._calls[call.id] = None
                    if len(self._calls) > REMEMBERED_CALLS:
                        del self._calls[next(iter(self._calls))]
                    self._reply_begins(events).called = True
                    events.append(ToolCallRequested(call.id, call.name, call.args or {}))
        if message.tool_call_cancellation:
            events += [ToolCallCancelled(call_id) for call_id in message.tool_call_cancellation.ids]
        if message.usage_metadata and self._turn is None:
            self._report_usage(events)
        if update := message.session_resumption_update:
            events.append(HandleRenewed(update.new_handle if update.resumable else ""))
        if message.go_away:
            events.append(GoingAway(message.go_away.seconds))
        return events

    def user_typed(self, text: str) -> list[Event]:
        """Typed text is not transcribed by Gemini: it stands in the transcript as it was sent."""
        self._asked_at = self._clock()
        events: list[Event] = []
        if self._turn and self._turn.replying:
            if self._turn.spoke:
                # It belongs to the turn that follows this reply.
                self._typed_ahead.append(text)
                return [Said(self._next_id, True, text)]
            # A tool is at work, and the user goes on without waiting for it.
            self._finish(self._turn, events)
        turn = self._current(events)
        if turn.user.pieces:
            text = f" {text}"
        turn.user.add(text, self._asked_at)
        events.append(Said(turn.id, True, text))
        return events

    def user_stopped(self) -> None:
        """The page says that the user has stopped speaking (push-to-talk)."""
        self._asked_at = self._clock()

    def silence(self) -> list[Event]:
        """The user wants to hear no more of this reply (the API has no word for that): the rest is left out."""
        if self._turn is None or not self._turn.replying:
            return []
        if not self._turn.generated:
            self._silenced_by = "user"
        return self._interrupt()

    def disconnected(self, *, put_off: bool = False) -> list[Event]:
        """The connection is gone, and with it the rest of a reply; a question waits for the next one.

        `put_off`: nobody knows when, or where, the next one is made: what was asked is saved now.
        """
        events: list[Event] = []
        self._silenced_by = ""
        self._complete_is_old = False
        self._usage.connection_ended()
        turn = self._turn
        if turn and turn.replying and turn.generated:
            self._finish(turn, events)
        elif turn and turn.replying:
            if turn.spoke:
                events.append(Interrupted())
            self._finish(turn, events, interrupted=turn.spoke, lost=True)
        elif turn and put_off:
            self._finish(turn, events, lost=True)
        self._repeated = Repetition(self._unanswered)
        return events

    def give_up(self) -> list[Event]:
        """Nothing more is expected of this turn."""
        events: list[Event] = []
        self._unanswered = ""
        if self._turn:
            self._finish(self._turn, events, interrupted=self._turn.replying and not self._turn.generated)
        return events

    def end(self) -> list[Event]:
        """The conversation ends here, whatever was going on."""
        events = self.give_up()
        if self._turn:  # what was typed ahead
            self._finish(self._turn, events)
        self._report_usage(events)
        return events

    def _content(self, content: ServerContent, events: list[Event]) -> None:
        if content.input_transcription and content.input_transcription.text:
            self._hear(content.input_transcription.text, events)
        if content.interrupted:
            self._complete_is_old = True
            if self._turn and self._turn.replying:
                self._silenced_by, self._silenced_at = "gemini", self._clock()
            events += self._interrupt()
        if content.model_turn and not self._silenced():
            for part in content.model_turn.parts:
                if part.inline_data and part.inline_data.data and part.inline_data.mime_type.startswith("audio/"):
                    self._reply_begins(events, audible=True).audio_bytes += len(part.inline_data.data)
                    events.append(Audio(part.inline_data.data))
        if content.output_transcription and content.output_transcription.text and not self._silenced():
            turn = self._reply_begins(events)
            turn.model.add(content.output_transcription.text, self._clock())
            events.append(Said(turn.id, False, content.output_transcription.text))
        if content.generation_complete:
            silenced, self._silenced_by = self._silenced_by, ""
            if self._turn and self._turn.replying and not self._turn.generated and not silenced:
                self._turn.generated = True
                events.append(Generated(self._turn.id, self._turn.time_to_first_audio_ms))
        # Extended thinking ends several turns "in progress" before the one that counts.
        if content.turn_complete and content.interaction_status != "IN_PROGRESS":
            old, self._complete_is_old = self._complete_is_old, False
            silenced, self._silenced_by = self._silenced_by, ""
            # The end of an interrupted turn, which ended for us when it was interrupted.
            if self._turn and (self._turn.replying or not (old or silenced)):
                self._finish(self._turn, events)

    def _current(self, events: list[Event]) -> Turn:
        if self._turn is None:
            self._turn = Turn(self._next_id)
            self._next_id += 1
            events.append(TurnStarted(self._turn.id))
        return self._turn

    def _hear(self, text: str, events: list[Event]) -> None:
        self._unanswered += text
        if not (text := self._repeated.leave_out(text)):
            self._asked_at = self._clock()
            return
        turn = self._current(events)
        now = self._clock()
        if not turn.replying:
            self._asked_at = now
        turn.user.add(text, now)
        events.append(Said(turn.id, True, text))

    def _reply_begins(self, events: list[Event], *, audible: bool = False) -> Turn:
        turn = self._turn
        if turn is None or not turn.replying:
            turn = self._current(events)
            turn.replying = True
            self._repeated = Repetition("")
            self._complete_is_old = False
            events.append(ReplyStarted(turn.id))
        elif audible and not turn.spoke:
            events.append(ReplyStarted(turn.id))
        if audible and turn.time_to_first_audio_ms is None and self._asked_at:
            waited = self._clock() - self._asked_at
            turn.time_to_first_audio_ms = max(0, round(waited.total_seconds() * 1000))
            self._asked_at = None
        return turn

    def _silenced(self) -> bool:
        if self._silenced_by == "gemini" and self._clock() - self._silenced_at > LONGEST_SILENCING:
            self._silenced_by = ""
        return self._silenced_by != ""

    def _interrupt(self) -> list[Event]:
        # It may come with no reply under way; the page then has at most old audio to flush.
        events: list[Event] = [Interrupted()]
        if self._turn and self._turn.replying:
            self._finish(self._turn, events, interrupted=True)
        return events

    def _finish(self, turn: Turn, events: list[Event], *, interrupted: bool = False, lost: bool = False) -> None:
        self._turn = None
        self._report_usage(events)
        answered = not lost and (turn.spoke or interrupted or not turn.called)
        if answered:
            self._unanswered = ""
        events.append(
            TurnEnded(
                turn.id,
                turn.user.utterance(),
                turn.model.utterance(),
                interrupted,
                turn.time_to_first_audio_ms,
                turn.audio_bytes * 1000 // BYTES_A_SECOND,
                answered,
                lost,
            )
        )
        if self._typed_ahead:
            following = self._current(events)
            for text in self._typed_ahead:
                following.user.add(text, self._clock())
            self._typed_ahead = []

    def _report_usage(self, events: list[Event]) -> None:
        if usage := self._usage.take():
            events.append(usage)

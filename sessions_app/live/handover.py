"""What passes from one connection to the next: what was said and not answered, and what the next one has to be told."""

from .buffers import Uplink
from .calls import Calls
from .events import Event, TurnEnded
from .memory import Memory, Said
from .protocol import Conversation

MOST_REPETITIONS = 4
"""A question that breaks five connections is given up: perhaps it is the question that breaks them."""


class Handover:
    """Keeps the conversation, what was sent, what was said, and the tool calls in step over the connections."""

    def __init__(self, conversation: Conversation, uplink: Uplink, memory: Memory, calls: Calls):
        self._conversation = conversation
        self._uplink = uplink
        self._memory = memory
        self._calls = calls
        self._reply_began = False
        self._repeating = False
        self._repetitions = 0
        self._lost_before = False
        # Whether what the user said last waits for an answer. It may, where another process had the conversation.
        self._question_waits = True

    def reply_started(self) -> None:
        self._reply_began = True
        self._uplink.reply_begins()

    def turn_ended(self, turn: TurnEnded) -> None:
        self._question_waits = not turn.answered
        if turn.user:
            self._memory.add("user", turn.user.text)
        if turn.model and not turn.lost:  # what was lost will be said again
            self._memory.add("model", turn.model.text)
        if turn.answered:
            if not self._reply_began:  # Gemini has chosen to say nothing
                self._uplink.reply_begins()
            self._uplink.answered(interrupted=turn.interrupted)
            self._calls.answered()
            self._repetitions = 0
            self._reply_began = False

    def connection_lost(self, *, put_off: bool) -> tuple[list[Event], bool]:
        """What follows for the turn; and whether its question may be said again. Call `repeat` when that is handled.

        `put_off`: there is no browser that a next connection would be for.
        """
        happened = self._conversation.disconnected(put_off=put_off)
        asked = self._conversation.awaits_gemini or any(isinstance(event, TurnEnded) for event in happened)
        self._repetitions += asked
        if self._repetitions <= MOST_REPETITIONS:
            return happened, True
        self._repetitions = 0
        self._uplink.forget()
        return [*happened, *self._conversation.give_up()], False

    def repeat(self) -> None:
        """What was said and not answered goes out first on the next connection."""
        self._lost_before = True
        self._repeating = self._uplink.rewind()
        self._calls.connection_lost(repeated=self._repeating)

    def untold(self, *, resumed: bool) -> tuple[list[Said], bool]:
        """What the new connection has to be told, and whether the last of it is a question that waits."""
        messages = self._memory.unknown_to(resumed=resumed, repeated=self._repeating)
        waits = self._question_waits and not self._repeating
        return messages, bool(messages) and messages[-1][0] == "user" and waits

    def goes_on(self, *, resumed: bool) -> bool:
        """The new connection carries a conversation that has begun before."""
        return resumed or self._lost_before or bool(self._memory)

    def give_up(self) -> list[Event]:
        """Nothing of what was asked is expected to be answered any more."""
        self._uplink.forget()
        return self._conversation.give_up()

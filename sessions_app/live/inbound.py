"""What the browser says, on its way to Gemini."""

from collections.abc import Callable, Iterable

from ..browser import commands
from ..browser import events as page
from . import events
from .buffers import Uplink, UplinkFull
from .calls import Calls
from .journal import Kind
from .marks import Marks
from .ports import Recorder, Send
from .protocol import Conversation

REMEMBERED_MESSAGES = 100


class Inbound:
    """Does what the page wants; `tell` speaks to it, `handle` takes what follows for the conversation."""

    def __init__(
        self,
        *,
        uplink: Uplink,
        conversation: Conversation,
        calls: Calls,
        marks: Marks,
        recorder: Recorder,
        tell: Callable[[page.Event], None],
        handle: Callable[[Iterable[events.Event]], None],
    ):
        self._uplink = uplink
        self._conversation = conversation
        self._calls = calls
        self._marks = marks
        self._recorder = recorder
        self._tell = tell
        self._handle = handle
        self._typed: dict[str, int] = {}  # message id → turn, in order, so that the oldest can be forgotten

    def hear(self, pcm: bytes, rate: int = 16_000) -> None:
        """Microphone audio, s16le mono."""
        self._uplink.put_audio(pcm, rate)

    def obey(self, command: commands.AnyCommand) -> None:
        """Do what a command of the page wants. Raises CommandError where that cannot be."""
        match command:
            case commands.Audio():
                self.hear(commands.check_pcm(command.data.data), command.rate)
            case commands.Text():
                self._read(command.data)
            case commands.Image():
                image = command.data
                self._queue(lambda gemini: gemini.send_image(image.data, image.mime_type), size=len(image.data))
            case commands.ActivityStart() if self._marks.start():
                self._calls.user_goes_on()
                self._uplink.put_mark(lambda gemini: gemini.send_activity_start())
            case commands.ActivityEnd() if self._marks.end():
                self._conversation.user_stopped()
                self._uplink.put_mark(lambda gemini: gemini.send_activity_end())
            case commands.AudioEnd() if not self._marks.manual:
                self._queue(lambda gemini: gemini.send_audio_stream_end())
            case commands.Interrupt():
                self._handle(self._conversation.silence())
            case commands.Played():
                self._recorder.save_heard(command.data.turn_id, round(command.data.ms))
            case commands.ToolApproval():
                self._calls.approvals.decide(command.data)

    def _read(self, message: commands.TextData) -> None:
        """A page that lost its connection cannot know whether its message came: it says it again, we do not."""
        text, message_id = message.text, message.message_id
        if turn_id := self._typed.get(message_id or ""):
            self._tell(page.transcription(turn_id, is_user=True, text=text))
            return
        self._queue(lambda gemini: gemini.send_text(text), size=len(text), kind="text")
        self._calls.user_goes_on()
        happened = self._conversation.user_typed(text)
        if message_id:
            self._typed[message_id] = next(event.turn_id for event in happened if isinstance(event, events.Said))
            if len(self._typed) > REMEMBERED_MESSAGES:
                del self._typed[next(iter(self._typed))]
        self._handle(happened)

    def _queue(self, send: Send, size: int = 0, kind: Kind = "passing") -> None:
        try:
            self._uplink.put(send, size=size, kind=kind)
        except UplinkFull:
            raise commands.CommandError(
                "too_many_waiting", "Gemini is not reached just now and too much waits for it already. Try again soon."
            ) from None

"""In place of a browser that has gone and may come back."""

from collections import deque

from ..browser import events as page

KEPT = (page.FunctionResult, page.Turn, page.Usage, page.Error)


class Away:
    """Keeps what the page has to know when it comes back: the ends of what it saw begin."""

    def __init__(self) -> None:
        self.missed: deque[page.Event] = deque(maxlen=200)

    def send(self, event: page.Event) -> None:
        if isinstance(event, KEPT) or (isinstance(event, page.Transcription) and event.data.is_final):
            self.missed.append(event)

    def send_audio(self, pcm: bytes) -> None:
        pass

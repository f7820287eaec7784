"""What stood in Gemini's place received and sent in a conversation: the emulator's own records, never the page's."""

from collections.abc import Iterator

import numpy as np

from sessions_app.emulator import Emulator
from sessions_app.emulator.recording import Frame
from sessions_app.emulator.session import Session


class FarEnd:
    """The conversations that begin after this object was made. Each connection is a session of the emulator."""

    def __init__(self, emulator: Emulator):
        self._emulator = emulator
        self._before = max((session.number for session in emulator.all_sessions), default=0)

    @property
    def received(self) -> bytes:
        """The person's voice, s16le at 16 kHz if all is well."""
        return b"".join(bytes(session.recorded_audio) for session in self._sessions)

    @property
    def pace(self) -> float:
        """Seconds of the person's voice in a second of wall time: the slope through all the frames' arrivals, so that
        neither the first nor the last of them decides."""
        arrivals = [
            (frame.seconds, frame.message["realtimeInput"]["audio"]["data"]["bytes"])
            for frame in self._frames(sent=False)
            if "audio" in frame.message.get("realtimeInput", {})
        ]
        at, sizes = np.array(arrivals, float).T
        return float(np.polyfit(at, np.cumsum(sizes) / 32_000, 1)[0])

    @property
    def replies(self) -> list[bytes]:
        """Gemini's voice, s16le at 24 kHz: what was sent of each turn that has ended."""
        sent = b"".join(bytes(session.sent_audio) for session in self._sessions)
        replies, begin, end = [], 0, 0
        for frame in self._frames(sent=True):
            content = frame.message.get("serverContent", {})
            for part in content.get("modelTurn", {}).get("parts", []):
                end += part.get("inlineData", {}).get("data", {}).get("bytes", 0)
            if "turnComplete" in content and end > begin:
                replies.append(sent[begin:end])
                begin = end
        return replies

    @property
    def _sessions(self) -> list[Session]:
        return [session for session in self._emulator.all_sessions if session.number > self._before]

    def _frames(self, *, sent: bool) -> Iterator[Frame]:
        return (frame for session in self._sessions for frame in session.frames if frame.sent is sent)

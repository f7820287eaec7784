"""What was said so far, for a connection that does not know it."""

from collections import deque
from collections.abc import Iterable
from typing import Literal

Role = Literal["user", "model"]
Said = tuple[Role, str]


class Memory:
    """The last `limit` messages of a conversation, and how many of them Gemini's latest handle does not stand for.

    As they were said, whatever of them is saved: Gemini has heard them already, and they go with the conversation.
    """

    def __init__(self, messages: Iterable[Said] = (), *, unknown: int = 0, limit: int = 50):
        self._messages: deque[Said] = deque(messages, maxlen=limit)
        self._unknown = min(unknown, len(self._messages))

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def complete(self) -> bool:
        """Gemini's handle stands for all that was said."""
        return self._unknown == 0

    def add(self, role: Role, text: str) -> None:
        self._messages.append((role, text))
        self._unknown = min(self._unknown + 1, len(self._messages))

    def handle_renewed(self) -> None:
        self._unknown = 0

    def unknown_to(self, *, resumed: bool, repeated: bool) -> list[Said]:
        """The messages that a new connection has to be told, oldest first.

        `resumed`: it was made with the handle; `repeated`: an unanswered question is said again by itself.
        """
        messages = list(self._messages)
        if resumed:
            messages = messages[len(messages) - self._unknown :]
        while repeated and messages and messages[-1][0] == "user":
            messages.pop()
        return messages

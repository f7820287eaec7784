"""One connection to Gemini after the other, for as long as a conversation lasts."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable

from ..gemini.errors import CONNECTION_ERRORS, Failure, Remedy, explain
from .ports import Dial, Gemini

logger = logging.getLogger(__name__)

LONGEST_DELAY = 8.0
STEADY = 5.0
"""Seconds after which the loss of a connection is not one of many in a row."""
STEADY_PLANNED = 1.0
"""The same for one that we have left ourselves; Gemini may say goAway to each anew."""


class ConversationFailed(Exception):
    """Gemini cannot be had, and trying again by ourselves does not help; `failure` says what would."""

    def __init__(self, failure: Failure):
        super().__init__(failure.message)
        self.failure = failure


class Connections:
    """Iterate for open connections: each is the successor of the one that was lost, and resumes by `handle`.

    None is dialled before `wanted` is set, and the predecessor is closed before: Gemini refuses two for one handle.

    Raises:
        ConversationFailed: a fatal answer, or `attempts` failures in a row (twice as many once it was connected: the
            user at the start would rather know, the one in mid-conversation would rather wait).

    `dialled` is told of each attempt: how many seconds it took, and why it failed, if it did.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        handle: str = "",
        where: str = "Gemini",
        attempts: int = 3,
        delay: float = 0.25,
        dialled: Callable[[float, Failure | None], None] = lambda seconds, failure: None,
    ):
        self._dial = dial
        self._dialled = dialled
        self.handle = handle
        self.has_history: Callable[[], bool] = lambda: False
        self.wanted = asyncio.Event()
        self.wanted.set()
        self.of_use = False
        """A turn was answered on the present connection: nor is its loss."""
        self.planned = False
        """We leave the present connection ourselves."""
        self.resumed = False
        """The present connection knows the conversation up to the handle."""
        self._where = where
        self._attempts = attempts
        self._delay = delay

    async def __aiter__(self) -> AsyncGenerator[Gemini]:
        failed, attempts = 0, self._attempts
        while True:
            await self.wanted.wait()
            error: BaseException | None
            self.resumed = bool(self.handle)
            self.of_use = self.planned = False
            began_at, opened_at = asyncio.get_running_loop().time(), None
            try:
                gemini: Gemini | None
                async with self._dial(self.handle or None, not self.handle and self.has_history()) as gemini:
                    opened_at = asyncio.get_running_loop().time()
                    self._dialled(opened_at - began_at, None)
                    attempts = 2 * self._attempts
                    yield gemini
                    error = gemini.error
            except CONNECTION_ERRORS as dialling_error:
                error = dialling_error
            failure = explain(error or ConnectionError("closed"), resuming=self.resumed, where=self._where)
            error = gemini = None  # nothing of a connection outlives it
            if opened_at is None:
                self._dialled(asyncio.get_running_loop().time() - began_at, failure)
            if not self.wanted.is_set():
                continue  # closed by us: nobody is there
            lasted = asyncio.get_running_loop().time() - opened_at if opened_at else 0.0
            if self.of_use or lasted > (STEADY_PLANNED if self.planned else STEADY):
                failed = 0
            failed += 1
            logger.info("Connection to Gemini ended (%s): %s", failure.code, failure.detail)
            if failure.remedy is Remedy.RETRY_WITHOUT_HANDLE:
                self.handle = ""
            elif failure.remedy is Remedy.FATAL or failed >= attempts:
                raise ConversationFailed(failure)
            if failed > 1 or opened_at is None:
                # With jitter: many conversations that were lost together do not come back together.
                await asyncio.sleep(min(LONGEST_DELAY, self._delay * 2**failed) * random.uniform(0.5, 1.0))  # noqa: S311

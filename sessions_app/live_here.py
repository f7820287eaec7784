"""The conversations that this process carries, with a browser or waiting for one to come back."""

import asyncio
import logging
import signal
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, Protocol
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from . import control
from .access import logins
from .browser.commands import ConnectData
from .exceptions import TakenOver
from .housekeeping import Housekeeper
from .live.bridge import Bridge
from .live.ports import Browser
from .models import LiveSession
from .quotas.meter import meters
from .recorder import SessionRecorder

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 8.0


class Tab(Protocol):
    """A browser's socket."""

    page: Browser
    login: logins.Login | None

    def dismiss(self, word: str) -> None:
        """Tell the browser why it is not the one any more ("takeover", "end", …), and close."""
        ...

    def conversation_ended(self, task: asyncio.Task[Any]) -> None:
        """The bridge runs no more: by a failure that it has told, a limit, or an error."""
        ...


class LiveConversation:
    """One session: its bridge while it converses, and the tab that listens, if one does.

    `generation` says which opening of the session may write its rows: an older one, perhaps of another process, is
    told so by its next write.
    """

    def __init__(self, session_id: UUID, generation: int, tab: Tab):
        self.session_id = session_id
        self.tab: Tab | None = tab
        self.recorder = SessionRecorder(session_id, generation, on_lost=self.on_word)
        self.bridge: Bridge | None = None
        self.options = ConnectData()
        self.task: asyncio.Task[Any] | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._began = False
        self._over = False
        self._listener = asyncio.create_task(
            control.listen(session_id, self.on_word, name=uuid.uuid4().hex), name="listener"
        )

    def taken_over_by(self, tab: Tab, generation: int) -> None:
        """A newer tab of the same process: the older one is told, the conversation waits for `come_back`."""
        self.recorder.generation = generation
        before, self.tab = self.tab, tab
        if self._grace:
            self._grace.cancel()
        if before:
            before.dismiss("takeover")
            if self.bridge:
                self.bridge.leave()

    def start(self, bridge: Bridge, options: ConnectData) -> None:
        self.bridge, self.options = bridge, options
        self._began = True
        self.task = asyncio.create_task(bridge.run(), name=f"conversation {self.session_id}")
        self.task.add_done_callback(self._conversation_ended)

    def waits_for(self, options: ConnectData) -> bool:
        """There is a conversation that a tab with these wishes can go on with."""
        if self.bridge is None or self.bridge.failed or options.resume is False:
            return False
        return msgspec.structs.replace(options, resume=None) in (ConnectData(), self.options)

    async def stop(self) -> None:
        """End the conversation, and keep the session for another one, which reads what is saved of this one."""
        if self.task:
            self.task.cancel()
            await asyncio.wait({self.task})
            await self.recorder.flush()

    def release(self, tab: Tab) -> None:
        """The tab has gone. A conversation waits for it for as long as the grace period."""
        if tab is not self.tab:
            return
        self.tab = None
        if self.bridge is None:
            self.end()
        else:
            self.bridge.leave()
            self._grace = asyncio.get_running_loop().call_later(settings.RECONNECT_GRACE, self.end)

    def on_word(self, word: str) -> None:
        """Somebody else wants this conversation to end (control.py, or the database)."""
        tab, self.tab = self.tab, None
        self.end()
        if tab:
            tab.dismiss(word)

    def finish(self, reason: str) -> None:
        """The session itself ends, for ever."""
        self.bridge = None
        self._began = False
        self.recorder.update(status=LiveSession.Status.ENDED, ended_at=timezone.now(), end_reason=reason)
        self.end()

    def end(self) -> None:
        """Stop what runs here; the session may go on elsewhere, or later."""
        if self._over:
            return
        self._over = True
        # Though it may have ended before, by a limit or a failure: the session may be taken up again.
        paused = {"status": LiveSession.Status.PAUSED} if self._began else {}
        self.recorder.update(held_by="", **paused)
        if self._grace:
            self._grace.cancel()
        for task in (self.task, self._listener):
            if task:
                task.cancel()
        here.forget(self)

    async def ended(self) -> None:
        """Wait until nothing of it runs any more, and all is saved."""
        self.end()
        await asyncio.gather(*[task for task in (self.task, self._listener) if task], return_exceptions=True)
        await self.recorder.flush()

    def _conversation_ended(self, task: asyncio.Task[Any]) -> None:
        self.bridge = self.task = None
        if self.tab:
            self.tab.conversation_ended(task)
        else:
            self.end()


class LiveHere:
    """All of this process. On SIGTERM they are told and saved before the server goes on to stop."""

    def __init__(self) -> None:
        self._tabs: set[Tab] = set()
        self._no_tabs = asyncio.Event()
        self._housekeeper = Housekeeper(self.session_ids, self.look_at_logins)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.draining = False
        self._conversations: dict[UUID, LiveConversation] = {}
        self._watched: Callable[..., Any] | None = None

    def find(self, session_id: UUID) -> LiveConversation | None:
        return self._conversations.get(session_id)

    def raised(self, session_id: UUID, generation: int) -> None:
        """From the thread that has just raised it: what this process writes until `open` is written under it."""
        found = self._conversations.get(session_id)
        if found and found.recorder.generation == generation - 1:
            found.recorder.generation = generation

    def open(self, session_id: UUID, generation: int, tab: Tab) -> LiveConversation:
        """The conversation of this session, which is `tab`'s now. Raises TakenOver: a newer tab was faster."""
        found = self._conversations.get(session_id)
        if found and found.recorder.generation > generation:
            raise TakenOver
        if found and found.recorder.generation >= generation - 1:
            found.taken_over_by(tab, generation)
            return found
        if found:  # it went on in another process meanwhile
            found.on_word("takeover")
        conversation = self._conversations[session_id] = LiveConversation(session_id, generation, tab)
        return conversation

    def forget(self, conversation: LiveConversation) -> None:
        if self._conversations.get(conversation.session_id) is conversation:
            del self._conversations[conversation.session_id]

    def session_ids(self) -> list[UUID]:
        return list(self._conversations)

    def conversations(self) -> list[LiveConversation]:
        return list(self._conversations.values())

    @property
    def tab_count(self) -> int:
        return len(self._tabs)

    def tabs_of(self, user_id: int) -> int:
        return sum(tab.login is not None and tab.login.user_id == user_id for tab in self._tabs)

    @property
    def full(self) -> bool:
        return self.tab_count >= settings.SESSIONS_PER_PROCESS

    def enter(self, tab: Tab) -> None:
        self._tabs.add(tab)

    def leave(self, tab: Tab) -> None:
        self._tabs.discard(tab)
        if self.draining and not self._tabs:
            self._no_tabs.set()

    def begin(self) -> None:
        """What a process with conversations needs, from the first one on."""
        self._loop = asyncio.get_running_loop()
        self._housekeeper.start()
        self._drain_on_sigterm()

    def look_at_logins(self) -> None:
        """End what came in by logins that hold no more. Blocks: not for the loop's thread. Raises DatabaseError."""
        ended = logins.ended({tab.login for tab in list(self._tabs) if tab.login})
        if ended and self._loop:
            self._loop.call_soon_threadsafe(self._log_out, ended)

    def _log_out(self, ended: set[logins.Login]) -> None:
        for conversation in self.conversations():
            if conversation.tab and conversation.tab.login in ended:
                conversation.on_word("logged_out")  # at once: nobody comes back to it by this login
        for tab in list(self._tabs):
            if tab.login in ended:
                tab.dismiss("logged_out")

    def _drain_on_sigterm(self) -> None:
        """The server's own handler is called when all are told and saved.

        uvicorn closes sockets with 1012 and cancels what then still runs, Daphne just drops them.
        """
        server = signal.getsignal(signal.SIGTERM)
        if server is self._watched or not callable(server) or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        def terminate(number: int, frame: Any) -> None:
            if self.draining:  # asked twice
                server(number, frame)
            else:
                self.draining = True
                # A context of its own: it is of none of the conversations, and its log lines name none.
                loop.call_soon_threadsafe(lambda: loop.create_task(drain_and_stop(number)), context=Context())

        async def drain_and_stop(number: int) -> None:
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self.drain()
            except TimeoutError:
                logger.warning("Some conversations did not end within %.0f s", DRAIN_SECONDS)
            finally:
                server(number, None)

        self._watched = terminate
        signal.signal(signal.SIGTERM, terminate)

    async def drain(self) -> None:
        """Say goodbye to every browser, and save."""
        self.draining = True
        conversations = self.conversations()
        logger.info("Stopping: %d conversations are saved", len(conversations))
        for tab in list(self._tabs):
            tab.dismiss("restart")
        await asyncio.gather(*[conversation.ended() for conversation in conversations])
        with suppress(DatabaseError):  # what was used since the last look of the housekeeper
            await asyncio.to_thread(meters.write)
        if self._tabs:
            await self._no_tabs.wait()


here = LiveHere()

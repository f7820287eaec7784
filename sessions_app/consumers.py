"""Frames of one browser ↔ one bridge. Translates; decides nothing."""

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, transaction

from tools_app.models import ToolCall

from . import access, logs, wiring
from .access.logins import Login, login_of
from .browser import SUBPROTOCOL, commands, events
from .exceptions import (
    DatabaseAway,
    LoggedOut,
    LoginRequired,
    Restarting,
    SessionEnded,
    SessionUnavailable,
    TakenOver,
    TooManyOfUser,
    TooManySessions,
)
from .flow import TokenBucket
from .live.bridge import Bridge
from .live.limits import Over
from .live_here import LiveConversation, here
from .metrics import REFUSED, received
from .models import LiveSession
from .page_socket import PageSocket
from .quotas import admission
from .quotas.holders import holder

logger = logging.getLogger(__name__)

MAX_BAD_FRAMES, BAD_FRAMES_SECONDS = 20, 10.0
# Why the server ends a conversation by itself: error code, sentence, close code.
DISMISSALS = {
    "takeover": (TakenOver.code, TakenOver.message, TakenOver.close_code),
    "end": ("session_ended", "This session was ended. Start a new one to go on.", 4410),
    "logged_out": (LoggedOut.code, LoggedOut.message, LoggedOut.close_code),
    "restart": (Restarting.code, Restarting.message, Restarting.close_code),
    "too_fast": ("too_fast", "This client sends more than a voice and a camera need. Mend it, then try again.", 4429),
    "stuck": ("not_reading", "The network is too slow for the voice. Try again where it is better.", 4408),
    "not_started": (
        "not_started",
        'Nothing was begun on this connection. Connect again, and send {"type": "connect"} at once.',
        4408,
    ),
    "broken": ("internal_error", "This conversation broke. Start it again.", 4410),
}

# Threads of our own: the one that asgiref shares would make each opening wait for every other query.
_database_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="consumer-database")
in_database = partial(database_sync_to_async, thread_sensitive=False, executor=_database_threads)


class VoiceConsumer(AsyncWebsocketConsumer):
    """One tab, one conversation."""

    # A layer that fails would end the consumer; control.listen() uses it in a task that may fail.
    channel_layer_alias = None

    async def __call__(self, scope, receive, send):
        self.scope, self.base_send = scope, send
        self.session: LiveSession | None = None
        self.conversation: LiveConversation | None = None
        self.bridge: Bridge | None = None
        self.ending: asyncio.Task | None = None
        self.login: Login | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.finished_by_user = False
        self.complained_without_bridge = False
        self.bad_frames: deque[float] = deque(maxlen=MAX_BAD_FRAMES)
        self.within_limits = TokenBucket().take
        # Not the stock loop: it makes a task for each message, and the stock dispatch tidies database connections
        # before each, which is a thread hop that queues audio behind every other session's SQL.
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.receive":
                    await self.websocket_receive(message)
                else:
                    await self.dispatch(message)
        except StopConsumer:
            pass
        finally:
            # disconnect() is never called after an exception, nor on Daphne's SIGTERM (channels#1466).
            await self.leave()

    # --- Opening -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        binary = SUBPROTOCOL in self.scope["subprotocols"]
        await self.accept(SUBPROTOCOL if binary else None)
        self.page = PageSocket(self.base_send, binary_audio=binary, on_stuck=lambda: self.dismiss("stuck"))
        session_id = parse_qs(self.scope["query_string"].decode("latin-1")).get("sessionId", [""])[0]
        here.begin()
        try:
            if here.draining:
                raise Restarting
            if refusal := self.scope.get("refusal"):
                raise refusal
            if not access.may_enter(self.scope.get("user")):
                raise LoginRequired
            if here.full:
                raise TooManySessions
            self.login = login_of(self.scope)
            if self.login and here.tabs_of(self.login.user_id) >= settings.CONNECTIONS_PER_USER:
                raise TooManyOfUser
            here.enter(self)
            self.session = await self._open(session_id)
            logs.session_id.set(str(self.session.pk))
            self.conversation = here.open(self.session.pk, self.session.generation, self)
        except SessionUnavailable as refusal:
            self.session = None
            REFUSED.labels(refusal.code).inc()
            # After accept: a browser cannot read why a handshake failed.
            await self.refuse(refusal.code, refusal.message, refusal.close_code, refusal.retry_after)
            return
        except DatabaseError:
            logger.exception("A session could not be opened")
            REFUSED.labels(DatabaseAway.code).inc()
            await self.refuse(DatabaseAway.code, DatabaseAway.message, DatabaseAway.close_code)
            return
        self.page.session_id = str(self.session.pk)
        self.page.status("CONNECTING")
        self._patience = asyncio.get_running_loop().call_later(
            settings.WEBSOCKET_CONNECT_TIMEOUT, self.dismiss, "not_started"
        )

    @in_database
    def _open(self, session_id: str) -> LiveSession:
        user = self.scope.get("user")
        self.holder = holder(user, self.scope)
        with transaction.atomic():
            session = access.session_to_open(session_id, user) if session_id else None
            self.goes_on = admission.admit(self.holder, session)
            session = session or access.new_session(user)
            generation = access.carry(session)
            admission.hold(self.holder, session)
        here.raised(session.pk, generation)
        return session

    # --- What the browser says ---------------------------------------------------------------------------------

    async def websocket_receive(self, message) -> None:
        pcm = message.get("bytes")
        try:
            if self.session is None or self.ending:
                return
            size = len(message["text"] if pcm is None else pcm)
            received.frames += 1
            received.bytes += size
            if not self.within_limits(size):
                self.dismiss("too_fast")
            elif pcm is None:
                await self.obey(commands.decode(message["text"]))
            elif self.bridge:
                self.bridge.hear(commands.check_pcm(pcm))
            else:
                self.not_connected()
        except commands.CommandError as error:
            self.complain(error)

    async def obey(self, command: commands.AnyCommand) -> None:
        match command:
            case commands.Connect():
                await self.converse(command.data or commands.ConnectData())
            case commands.Disconnect():
                self.finished_by_user = True
                self.page.status("DISCONNECTED", "You have ended the conversation.")
                await self.page.close(1000)
                raise StopConsumer
            case commands.Ping():
                pong = events.PongData(t=command.data.t if command.data else None)
                self.page.send(events.Pong(data=pong))
            case _ if self.bridge:
                self.bridge.obey(command)
            case _:
                self.not_connected()

    async def converse(self, options: commands.ConnectData) -> None:
        if self.bridge and not self.bridge.failed:
            raise commands.CommandError("already_connected", "This conversation is connected already.")
        self.complained_without_bridge = False
        if self.conversation.waits_for(options):
            self._began(self.conversation.bridge)
            self.bridge.come_back(self.page)
            return
        try:
            await self.conversation.stop()
            bridge, abandoned = await self._build_bridge(options)
        except wiring.NotConfigured as error:
            self.page.send(events.error("not_configured", str(error)))
            self.page.status("ERROR", str(error))
            return
        except wiring.SettingRefused as error:
            self.page.send(events.error("setting_refused", str(error)))
            self.page.status("ERROR", str(error))
            return
        except SessionUnavailable as refusal:
            self._refuse_soon(refusal.code, refusal.message, refusal.close_code, refusal.retry_after)
            return
        except DatabaseError:
            logger.exception("A conversation could not be started")
            self.page.send(events.error(DatabaseAway.code, DatabaseAway.message, retryable=True))
            self.page.status("ERROR", DatabaseAway.message)
            return
        if self.ending:  # taken over, or deleted, meanwhile
            return
        for call in abandoned:
            self.page.send(events.abandoned(call.call_id, call.name, call.error))
        model, voice = bridge.backend.model, bridge.backend.voice
        self.conversation.recorder.update(status=LiveSession.Status.CONNECTING, model=model, voice=voice)
        self.conversation.start(bridge, options)
        self._began(bridge)

    def _began(self, bridge: Bridge) -> None:
        """From now on the conversation's own limits count: one that fails leaves its socket open, for another."""
        self.bridge = bridge
        self._patience.cancel()

    @in_database
    def _build_bridge(self, options: commands.ConnectData) -> tuple[Bridge, list[ToolCall]]:
        """And the calls that a process has left behind which carried the session before."""
        # Fresh: an earlier conversation on this very socket has changed its tokens and handle.
        with suppress(LiveSession.DoesNotExist):  # deleted: the recorder notices
            self.session.refresh_from_db()
        admission.check(self.holder, goes_on=self.goes_on)  # again: a socket may have been open for hours
        bridge = wiring.build_bridge(self.session, self.page, self.conversation.recorder, options, self.holder)
        return bridge, ToolCall.objects.filter(session=self.session).abandon()

    def not_connected(self) -> None:
        # Once: a client may have a second of audio on its way when a conversation ends.
        if not self.complained_without_bridge:
            self.complained_without_bridge = True
            message = 'There is no conversation yet. Send {"type": "connect"} and wait for status CONNECTED.'
            self.page.send(events.error("not_connected", message, retryable=True))

    def complain(self, error: commands.CommandError) -> None:
        self.page.send(events.error(error.code, str(error)))
        now = time.monotonic()
        self.bad_frames.append(now)
        if len(self.bad_frames) == MAX_BAD_FRAMES and now - self.bad_frames[0] < BAD_FRAMES_SECONDS:
            message = "Too many frames that cannot be read. Mend the client."
            self._refuse_soon("too_many_bad_frames", message, 4400)

    # --- The end -----------------------------------------------------------------------------------------------

    def conversation_ended(self, task: asyncio.Task) -> None:
        self.bridge = None
        if task.cancelled() or self.ending:
            return
        if error := task.exception():
            logger.error("A conversation broke", exc_info=error)
            self.dismiss("broken")
        elif isinstance(over := task.result(), Over):
            if not over.lives:
                self.conversation.finish(over.message)
            close_code = 4429 if over.retry_after else 4408 if over.lives else SessionEnded.close_code
            self._refuse_soon(over.code, over.message, close_code, over.retry_after)

    def dismiss(self, word: str) -> None:
        """The browser is told why it is not the one any more, and the socket closes."""
        self._refuse_soon(*DISMISSALS[word])

    def _refuse_soon(self, code: str, message: str, close_code: int, retry_after: int | None = None) -> None:
        self.bridge = None
        if self.ending is None:
            self.ending = asyncio.create_task(self.refuse(code, message, close_code, retry_after))

    async def refuse(self, code: str, message: str, close_code: int, retry_after: int | None = None) -> None:
        """Say why, and close."""
        self.page.send(events.error(code, message, retry_after=retry_after))
        self.page.status("DISCONNECTED", message)
        with suppress(OSError, RuntimeError):
            await self.page.close(close_code)
        if self.conversation:
            self.conversation.release(self)

    async def leave(self) -> None:
        here.leave(self)
        if self._patience:
            self._patience.cancel()
        if self.ending:
            await asyncio.wait({self.ending})
        if hasattr(self, "page"):
            self.page.stop()
        conversation = self.conversation
        if conversation is None:
            return
        if self.finished_by_user:
            conversation.finish("ended by the user")
        else:
            conversation.release(self)
        if self.finished_by_user or here.draining:
            await conversation.ended()  # a server that stops waits for its consumers

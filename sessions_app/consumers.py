"""Frames of one browser ↔ one bridge. Translates; decides nothing."""

import asyncio
import logging
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.db.models import Max
from django.utils import timezone

from . import access, control, wiring
from .browser import SUBPROTOCOL, commands, events
from .exceptions import DatabaseAway, SessionUnavailable
from .live.bridge import Bridge
from .models import LiveSession
from .recorder import SessionRecorder

logger = logging.getLogger(__name__)

MAX_BAD_FRAMES, BAD_FRAMES_SECONDS = 20, 10.0

# Threads of our own: the one that asgiref shares would make each opening wait for every other query.
_database_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="consumer-database")
in_database = partial(database_sync_to_async, thread_sensitive=False, executor=_database_threads)


class PageSocket:
    """The browser's end, as the bridge sees it (port `Browser`)."""

    def __init__(self, send, *, binary_audio: bool):
        self._send = send
        self._binary_audio = binary_audio
        self.session_id: str | None = None

    async def send(self, event: events.Event) -> None:
        await self._deliver({"type": "websocket.send", "text": events.encode(event).decode()})

    async def send_audio(self, pcm: bytes) -> None:
        if self._binary_audio:
            await self._deliver({"type": "websocket.send", "bytes": pcm})
        else:
            await self._deliver({"type": "websocket.send", "text": events.audio_json(pcm)})

    async def status(self, name: events.StatusName, reason: str | None = None) -> None:
        await self.send(events.status(name, reason, session_id=self.session_id))

    async def _deliver(self, message: dict) -> None:
        try:
            await self._send(message)
        except OSError:
            # The client has gone; websocket.disconnect tells us, too. (Daphne says nothing here.)
            logger.debug("Sent to a client that has gone")


class VoiceConsumer(AsyncWebsocketConsumer):
    """One tab, one conversation."""

    # A layer that fails would end the consumer; control.listen() uses it in a task that may fail.
    channel_layer_alias = None

    async def __call__(self, scope, receive, send):
        self.scope, self.base_send = scope, send
        self.session: LiveSession | None = None
        self.bridge: Bridge | None = None
        self.conversation: asyncio.Task | None = None
        self.listener: asyncio.Task | None = None
        self.ending: asyncio.Task | None = None
        self.recorder: SessionRecorder | None = None
        self.end_reason = ""
        self.complained_without_bridge = False
        self.bad_frames: deque[float] = deque(maxlen=MAX_BAD_FRAMES)
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

    async def connect(self) -> None:
        binary = SUBPROTOCOL in self.scope["subprotocols"]
        await self.accept(SUBPROTOCOL if binary else None)
        self.page = PageSocket(self.base_send, binary_audio=binary)
        session_id = parse_qs(self.scope["query_string"].decode("latin-1")).get("sessionId", [""])[0]
        try:
            self.session = await self._open(session_id)
        except SessionUnavailable as refusal:
            # After accept: a browser cannot read why a handshake failed.
            await self.refuse(refusal.code, refusal.message, refusal.close_code)
            return
        except DatabaseError:
            logger.exception("A session could not be opened")
            await self.refuse(DatabaseAway.code, DatabaseAway.message, DatabaseAway.close_code)
            return
        self.page.session_id = str(self.session.pk)
        self.recorder = SessionRecorder(self.session.pk, on_gone=lambda: self.on_word("end"))
        self.name = uuid.uuid4().hex
        self.listener = asyncio.create_task(control.listen(self.session.pk, self.on_word, name=self.name))
        await self.page.status("CONNECTING")

    @in_database
    def _open(self, session_id: str) -> LiveSession:
        user = self.scope.get("user")
        if not session_id:
            return access.new_session(user)
        return access.session_to_open(session_id, user)

    async def websocket_receive(self, message) -> None:
        pcm = message.get("bytes")
        try:
            if self.session is None or self.ending:
                return
            if pcm is None:
                await self.obey(commands.decode(message["text"]))
            elif self.bridge:
                self.bridge.hear(commands.check_pcm(pcm))
            else:
                await self.not_connected()
        except commands.CommandError as error:
            await self.complain(error)

    async def obey(self, command: commands.AnyCommand) -> None:
        match command:
            case commands.Connect():
                await self.converse(command.data or commands.ConnectData())
            case commands.Disconnect():
                self.end_reason = "ended by the user"
                await self.page.status("DISCONNECTED", "You have ended the conversation.")
                await self.close(1000)
                raise StopConsumer
            case commands.Ping():
                pong = events.PongData(t=command.data.t if command.data else None)
                await self.page.send(events.Pong(data=pong))
            case _ if self.bridge:
                await self.bridge.obey(command)
            case _:
                await self.not_connected()

    async def converse(self, options: commands.ConnectData) -> None:
        if self.conversation and not self.conversation.done():
            raise commands.CommandError("already_connected", "This conversation is connected already.")
        try:
            self.bridge = await self._build_bridge(options)
        except wiring.NotConfigured as error:
            await self.page.send(events.error("not_configured", str(error)))
            await self.page.status("ERROR", str(error))
            return
        except wiring.SettingRefused as error:
            await self.page.send(events.error("setting_refused", str(error)))
            await self.page.status("ERROR", str(error))
            return
        except DatabaseError:
            logger.exception("A conversation could not be started")
            await self.page.send(events.error(DatabaseAway.code, DatabaseAway.message, retryable=True))
            await self.page.status("ERROR", DatabaseAway.message)
            return
        if self.ending:  # taken over, or deleted, meanwhile
            self.bridge = None
            return
        self.complained_without_bridge = False
        backend = self.bridge.backend
        self.recorder.update(status=LiveSession.Status.CONNECTING, model=backend.model, voice=backend.voice)
        self.conversation = asyncio.create_task(self.bridge.run())
        self.conversation.add_done_callback(self._conversation_ended)

    @in_database
    def _build_bridge(self, options: commands.ConnectData) -> Bridge:
        session = self.session
        # Fresh: an earlier conversation on this very socket has changed its tokens and handle.
        with suppress(LiveSession.DoesNotExist):  # deleted: the recorder notices
            session.refresh_from_db()
        last = session.transcript.aggregate(last=Max("sequence"))["last"] or 0
        return wiring.build_bridge(session, self.page, self.recorder, options, first_turn_id=last + 1)

    def _conversation_ended(self, task: asyncio.Task) -> None:
        self.bridge = None
        if not task.cancelled() and (error := task.exception()):
            logger.error("A conversation broke", exc_info=error)
            self._refuse_soon("internal_error", "This conversation broke. Start it again.", 4410)

    def on_word(self, word: str) -> None:
        """Somebody else wants this conversation to end (control.py)."""
        if word == "takeover":
            self.recorder = None  # the row is the successor's now
            self._refuse_soon("taken_over", "This conversation goes on in another tab.", 4409)
        else:
            self._refuse_soon("session_ended", "This session was ended. Start a new one to go on.", 4410)

    def _refuse_soon(self, code: str, message: str, close_code: int) -> None:
        if self.ending is None:
            self.ending = asyncio.create_task(self.refuse(code, message, close_code))

    async def refuse(self, code: str, message: str, close_code: int) -> None:
        """Say why, and close."""
        self.stop()
        await self.page.send(events.error(code, message))
        await self.page.status("DISCONNECTED", message)
        with suppress(OSError, RuntimeError):
            await self.close(close_code)

    async def not_connected(self) -> None:
        # Once: a client may have a second of audio on its way when a conversation ends.
        if not self.complained_without_bridge:
            self.complained_without_bridge = True
            message = 'There is no conversation yet. Send {"type": "connect"} and wait for status CONNECTED.'
            await self.page.send(events.error("not_connected", message, retryable=True))

    async def complain(self, error: commands.CommandError) -> None:
        await self.page.send(events.error(error.code, str(error)))
        now = time.monotonic()
        self.bad_frames.append(now)
        if len(self.bad_frames) == MAX_BAD_FRAMES and now - self.bad_frames[0] < BAD_FRAMES_SECONDS:
            await self.refuse("too_many_bad_frames", "Too many frames that cannot be read. Mend the client.", 4400)

    def stop(self) -> None:
        for task in (self.conversation, self.listener):
            if task:
                task.cancel()

    async def leave(self) -> None:
        self.stop()
        tasks = [task for task in (self.conversation, self.listener, self.ending) if task]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.recorder is None:
            return
        if self.end_reason:
            ended = {"ended_at": timezone.now(), "end_reason": self.end_reason}
            written = self.recorder.update(status=LiveSession.Status.ENDED, **ended)
        elif self.conversation:
            written = self.recorder.update(status=LiveSession.Status.PAUSED)
        else:
            return
        await asyncio.wait({written}, timeout=5)  # a server that stops waits for its consumers

"""A browser that reads slowly, at a socket that says so as uvicorn's does."""

import asyncio
import json

import pytest

from sessions_app.browser import events
from sessions_app.page_socket import MAX_WAITING, PageSocket
from tests.waiting import GIVE_UP_SECONDS


class Socket:
    """Takes frames while `writable`."""

    def __init__(self):
        self.writable = asyncio.Event()
        self.writable.set()
        self.taken = []
        self.aborted = False
        self.transport = self

    async def send(self, message):
        await self.writable.wait()
        self.taken.append(message.get("bytes") or message.get("code") or json.loads(message["text"])["type"])

    def abort(self):
        self.aborted = True


@pytest.fixture
def socket():
    return Socket()


@pytest.fixture
def stuck():
    return []


@pytest.fixture
def page(socket, stuck):
    return PageSocket(socket.send, binary_audio=True, on_stuck=lambda: stuck.append(True))


async def taken(socket, count):
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while len(socket.taken) < count:
            await asyncio.sleep(0)
    return socket.taken


async def test_a_socket_that_takes_frames_gets_them_at_once(page, socket):
    tasks = len(asyncio.all_tasks())
    page.send_audio(b"\1\0")
    page.send(events.Pong(data=events.PongData()))
    assert socket.taken == [b"\1\0", "pong"]
    assert len(asyncio.all_tasks()) == tasks


async def test_what_waits_goes_out_in_order(page, socket):
    socket.writable.clear()
    for number in range(5):
        page.send_audio(bytes([number, 0]))
    assert socket.taken == []
    socket.writable.set()
    assert await taken(socket, 5) == [bytes([number, 0]) for number in range(5)]
    page.send_audio(b"\7\0")
    assert (await taken(socket, 6))[-1] == b"\7\0"


async def test_an_interruption_overtakes_the_audio_that_waits(page, socket):
    """Promise 16: of an interrupted reply nothing leaves after it but what the socket had taken."""
    socket.writable.clear()
    page.send_audio(b"\1\0")
    page.send_audio(b"\2\0")
    page.send(events.transcription(1, is_user=False, text="Once"))
    page.send(events.INTERRUPT_AUDIO)
    page.send_audio(b"\3\0")
    socket.writable.set()
    assert await taken(socket, 4) == [b"\1\0", "transcription", "audio", b"\3\0"]


async def test_a_browser_that_reads_nothing_is_told_once_and_costs_a_bounded_amount(page, socket, stuck):
    """Promise 10."""
    socket.writable.clear()
    for _ in range(3 * MAX_WAITING // 9600):
        page.send_audio(bytes(9600))
        assert page._bytes <= MAX_WAITING + 9600
    assert len(stuck) >= 1


async def test_closing_sends_what_waits_first(page, socket):
    socket.writable.clear()
    page.send_audio(b"\1\0")
    page.send_audio(b"\2\0")
    closing = asyncio.create_task(page.close(4410))
    await asyncio.sleep(0)
    socket.writable.set()
    await closing
    assert socket.taken == [b"\1\0", b"\2\0", 4410]
    page.send_audio(b"\3\0")
    assert len(socket.taken) == 3


async def test_a_browser_that_does_not_even_take_the_goodbye_is_cut_off(page, socket, monkeypatch):
    monkeypatch.setattr("sessions_app.page_socket.FAREWELL", 0.01)
    socket.writable.clear()
    page.send_audio(b"\1\0")
    await page.close(4408)
    assert socket.aborted


async def test_a_client_that_has_gone_is_no_error(stuck):
    async def send(message):
        raise OSError("gone")

    page = PageSocket(send, binary_audio=True, on_stuck=lambda: stuck.append(True))
    page.send_audio(b"\1\0")
    assert stuck == []

"""What goes over Google's wire: golden frames in tests/wire, and the real SDK as the judge of our own codec.

The golden client frames were recorded from google-genai 3.4 by this test (`RECORD=1`); the server frames are those of
the API reference and of recordings with the SDK.
"""

import asyncio
import base64
import json
import os
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from google import genai
from google.genai import types
from google.genai.errors import APIError
from websockets.asyncio.server import serve

from sessions_app.gemini import codec
from sessions_app.gemini.connection import GeminiConnection, GeminiEndpoint, NoSetupComplete, connect
from sessions_app.gemini.errors import CONNECTION_ERRORS, Remedy, explain
from sessions_app.gemini.settings import ModelSettings
from sessions_app.gemini.setup import LiveSetup
from tests.waiting import GIVE_UP_SECONDS

WIRE = Path(__file__).resolve().parents[1] / "wire"
SETUP = LiveSetup(
    model="gemini-3.8-live",
    voice="Kore",
    language="de-DE",
    instruction="Be brief.",
    tools=[
        {
            "name": "get_weather",
            "description": "Weather in a city.",
            "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
        }
    ],
    settings=ModelSettings(activity_detection="manual"),
)


class Wire:
    """A TLS WebSocket server that keeps the client's frames and sends what the test says."""

    def __init__(self):
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.answers: list[bytes | str] = [b'{\n  "setupComplete": {}\n}\n']
        self.paths: list[str] = []
        self.socket = None

    async def carry(self, socket):
        self.socket = socket
        self.paths.append(socket.request.path)
        self.headers = socket.request.headers
        self.frames.put_nowait(await socket.recv())
        for answer in self.answers:
            await socket.send(answer)
        async for frame in socket:
            self.frames.put_nowait(frame)

    async def frame(self) -> dict:
        return json.loads(await self.frames.get())


@pytest.fixture
async def wire(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    wire = Wire()
    async with (
        asyncio.timeout(GIVE_UP_SECONDS),
        serve(wire.carry, "127.0.0.1", 0, ssl=context, max_size=None) as server,
    ):
        wire.endpoint = GeminiEndpoint(
            api_key="the-key",
            base_url=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            ca_file=str(tmp_path / "ca.pem"),
            connect_timeout=GIVE_UP_SECONDS,
        )
        yield wire


@asynccontextmanager
async def connected(wire: Wire, setup: LiveSetup = SETUP, handle: str | None = None, timeout: float = GIVE_UP_SECONDS):
    async with connect(wire.endpoint.client(), setup, handle=handle, timeout=timeout) as gemini:
        wire.setup = await wire.frame()
        yield gemini


def golden(name: str, frame: dict) -> dict:
    path = WIRE / name
    if os.environ.get("RECORD"):
        path.write_text(json.dumps(frame, indent=2) + "\n")
    return json.loads(path.read_text())


async def test_the_setup_frame(wire):
    async with connected(wire, handle="H"):
        pass
    assert wire.setup == golden("setup.json", wire.setup)
    assert wire.paths == ["/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"]
    assert wire.headers["x-goog-api-key"] == "the-key"
    assert "Sec-WebSocket-Extensions" not in wire.headers


async def test_the_least_setup_frame(wire):
    async with connected(wire, LiveSetup(model="gemini-3.8-live")):
        pass
    assert wire.setup == golden("setup_least.json", wire.setup)


async def test_every_client_message(wire):
    sent = {}
    async with connected(wire) as gemini:
        await gemini.send_audio(b"\x00\xff\xfe\xff\xff\xfb", 16_000)
        sent["audio"] = await wire.frame()
        await gemini.send_text("hello")
        sent["text"] = await wire.frame()
        await gemini.send_image(b"\xff\xd8", "image/jpeg")
        sent["image"] = await wire.frame()
        await gemini.send_activity_start()
        sent["activity_start"] = await wire.frame()
        await gemini.send_activity_end()
        sent["activity_end"] = await wire.frame()
        await gemini.send_audio_stream_end()
        sent["audio_stream_end"] = await wire.frame()
        answers = [("1", "f", {"result": "ok"}, None), ("2", "g", {"error": "No."}, "WHEN_IDLE")]
        await gemini.send_tool_response(answers)
        sent["tool_response"] = await wire.frame()
    assert sent == golden("client_messages.json", sent)


@pytest.mark.parametrize("pcm", [b"", b"\0\0", bytes(range(256)) * 4, b"\xfb\xef\xbe\xff" * 100])
async def test_our_audio_frame_says_what_the_sdks_says(wire, pcm):
    async with connected(wire) as ours:
        sdk = GeminiConnection(ours._session)
        sdk._socket = None  # the way without the private socket: the SDK's public method
        await ours.send_audio(pcm, 16_000)
        await sdk.send_audio(pcm, 16_000)
        frames = [(await wire.frame())["realtime_input"]["audio"] for _ in range(2)]
    assert [frame["mime_type"] for frame in frames] == ["audio/pcm;rate=16000"] * 2
    decoded = [base64.urlsafe_b64decode(frame["data"].replace("+", "-").replace("/", "_")) for frame in frames]
    assert decoded == [pcm, pcm]


@pytest.mark.parametrize("private_socket", [True, False])
async def test_server_messages_are_read_the_same_with_and_without_the_private_socket(wire, private_socket):
    lines = (WIRE / "server_messages.jsonl").read_text().splitlines()
    wire.answers += [line.encode() for line in lines]
    async with connected(wire) as gemini:
        if not private_socket:
            gemini._socket = None
        received = []
        async for message in gemini:
            received.append(message)
            if len(received) == len(lines):
                break
    assert received == [codec.decode(line) for line in lines]
    assert received[1].server_content.model_turn.parts[0].inline_data.data == b"\x00\xff\xfe\xfb"
    assert received[4].go_away.seconds == 50.0
    assert received[5].usage_metadata.prompt_tokens_details[0].modality == "AUDIO"


async def test_a_message_that_cannot_be_read_is_left_out_and_the_next_is_read(wire):
    wire.answers += [b"not json", b'{"serverContent": 7}', b'{"newThing": {"a": 1}}', b'{"goAway": {"timeLeft": "5s"}}']
    async with connected(wire) as gemini:
        async for message in gemini:
            if message.go_away:
                break
    assert gemini.error is None


@pytest.mark.parametrize("data", ["AP/++w==", "AP_--w=="])
def test_both_base64_alphabets_are_read(data):
    frame = {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": data}}]}}}
    part = codec.decode(json.dumps(frame).encode()).server_content.model_turn.parts[0]
    assert part.inline_data.data == b"\x00\xff\xfe\xfb"


async def test_no_setup_complete_ends_in_our_own_timeout(wire):
    wire.answers = []
    with pytest.raises(TimeoutError):
        async with connected(wire, timeout=0.2):
            pass


async def test_something_else_than_setup_complete_is_refused(wire):
    wire.answers = [b'{"goAway": {"timeLeft": "1s"}}']
    with pytest.raises(NoSetupComplete):
        async with connected(wire):
            pass


async def test_the_end_of_a_connection_is_told_with_its_reason(wire):
    async with connected(wire) as gemini:
        await wire.socket.close(1011, "Internal error encountered.")
        async for _ in gemini:
            pass
    failure = explain(gemini.error)
    assert failure.remedy is Remedy.RETRY
    assert "1011" in failure.detail


async def test_an_error_instead_of_a_message(wire):
    wire.answers.append(b'{"code": 429, "message": "Resource has been exhausted (e.g. check quota)."}')
    async with connected(wire) as gemini:
        async for _ in gemini:
            pass
    assert explain(gemini.error).code == "quota_exhausted"


async def test_more_than_a_mebibyte_of_audio_in_one_message(wire):
    """max_size: the library's default of 1 MiB would end the session at a long burst of audio."""
    data = base64.b64encode(bytes(2 * 2**20)).decode()
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
    wire.answers.append(json.dumps({"serverContent": {"modelTurn": {"parts": [part]}}}).encode())
    async with connected(wire) as gemini:
        message = await anext(aiter(gemini))
    assert len(message.server_content.model_turn.parts[0].inline_data.data) == 2 * 2**20


@pytest.mark.parametrize(
    ("error", "resuming", "remedy", "code"),
    [
        (APIError(1006, {"message": "Abnormal closure."}), False, Remedy.RETRY, "gemini_unavailable"),
        (APIError(1011, {"message": "Deadline expired before operation could complete."}), False, Remedy.RETRY, None),
        (APIError(1011, {"message": "You exceeded your current quota"}), False, Remedy.FATAL, "quota_exhausted"),
        (APIError(1007, {"message": "API key not valid. Please pass a valid API key."}), True, Remedy.FATAL, None),
        (APIError(1007, {"message": "API key expired. Please renew the API key."}), False, Remedy.FATAL, None),
        (APIError(1007, {"message": "Request contains an invalid argument."}), False, Remedy.FATAL, "setup_refused"),
        (APIError(1007, {"message": "Request contains an invalid argument."}), True, Remedy.RETRY_WITHOUT_HANDLE, None),
        (APIError(1008, {"message": "BidiGenerateContent session not found"}), True, Remedy.RETRY_WITHOUT_HANDLE, None),
        (
            APIError(1008, {"message": "models/x is not found for API version v1beta, or is not supported for ..."}),
            False,
            Remedy.FATAL,
            "model_unknown",
        ),
        (ConnectionRefusedError("refused"), False, Remedy.RETRY, "gemini_unavailable"),
        (TimeoutError(), False, Remedy.RETRY, "gemini_unavailable"),
        (ssl.SSLCertVerificationError("self-signed"), False, Remedy.FATAL, "certificate_invalid"),
        (OSError("no route"), True, Remedy.RETRY, "gemini_unavailable"),
    ],
)
def test_retry_resume_anew_or_fatal(error, resuming, remedy, code):
    assert isinstance(error, CONNECTION_ERRORS)
    failure = explain(error, resuming=resuming)
    assert failure.remedy is remedy
    assert code is None or failure.code == code


async def test_http_errors_of_the_upgrade(tmp_path):
    """A quota that is used up is told by HTTP, before there is a WebSocket."""
    for status, code in ((429, "quota_exhausted"), (503, "gemini_unavailable"), (403, "api_key_invalid")):
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")

        def refuse(connection, request, status=status):
            return connection.respond(status, "No.\n")

        async with serve(lambda socket: None, "127.0.0.1", 0, ssl=context, process_request=refuse) as server:
            endpoint = GeminiEndpoint(
                api_key="k",
                base_url=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}",
                ca_file=str(tmp_path / "ca.pem"),
            )
            with pytest.raises(CONNECTION_ERRORS) as caught:
                async with connect(endpoint.client(), SETUP, handle=None, timeout=GIVE_UP_SECONDS):
                    pass
        assert explain(caught.value).code == code


def test_the_key_is_not_in_the_endpoints_repr():
    assert "secret" not in repr(GeminiEndpoint(api_key="secret"))


def test_the_sdk_still_has_what_the_fast_way_needs():
    """When a release of the SDK renames it, we are slower, not broken: this says so."""
    assert "_ws" in genai.live.AsyncSession.__init__.__code__.co_names
    assert types.LiveConnectConfig

"""The page's script and the server's structs use one set of names."""

import re
from pathlib import Path

import msgspec
import pytest
from django.conf import settings

from sessions_app.browser import SUBPROTOCOL, commands, events

SCRIPTS = Path(settings.BASE_DIR) / "static" / "js"


def script(name: str) -> str:
    return (SCRIPTS / name).read_text(encoding="utf-8")


def messages(module) -> list[type[msgspec.Struct]]:
    """The message structs of a module; a class that others are built on is no message."""
    structs = (value for value in vars(module).values() if isinstance(value, msgspec.StructMeta))
    return [struct for struct in structs if struct.__struct_config__.tag and not struct.__subclasses__()]


def tags(module) -> set[str]:
    return {struct.__struct_config__.tag for struct in messages(module)}


def handled() -> set[str]:
    """The keys of the table in conversation.js that says what each message of the server does."""
    table = re.search(r"#handlers = \{\n(.*?)\n  \};", script("conversation.js"), re.DOTALL)
    assert table, "conversation.js has no #handlers table."
    return set(re.findall(r"^    (\w+): ", table[1], re.MULTILINE))


def sent() -> set[str]:
    """Every type that a script of the page sends."""
    every = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS.glob("*.js"))
    return set(re.findall(r"""\.send\("(\w+)\"""", every))


def test_page_handles_every_message_of_the_server_and_no_other():
    assert handled() == tags(events)


def test_page_sends_only_what_the_server_understands():
    assert sent() <= tags(commands)
    assert tags(commands) - sent() == {"audio"}  # which goes up as binary frames


@pytest.mark.parametrize(("kind", "fields"), [
    ("status", {"status", "reason", "backend", "phrases"}),
    ("transcription", {"text", "isUser", "isFinal", "turnId"}),
    ("turn", {"turnId", "state"}),
    ("function_call", {"callId", "name", "args", "needsApproval", "argsHash"}),
    ("tool_progress", {"callId", "text", "part"}),
    ("function_result", {"callId", "result", "error", "durationMs"}),
])  # fmt: skip
def test_page_reads_fields_that_the_server_has(kind, fields):
    (struct,) = (struct for struct in messages(events) if struct.__struct_config__.tag == kind)
    data = struct.__annotations__["data"]
    assert fields <= set(data.__struct_encode_fields__)
    for field in fields:
        assert re.search(rf"\b{field}\b", "\n".join(path.read_text() for path in SCRIPTS.glob("*.js"))), field


def test_page_configures_what_the_server_knows():
    """Every setting of `connect` that the page sends."""
    configuration = script("settings.js").split("get configuration()")[1].split("#load()")[0]
    names = set(re.findall(r"data\.(\w+) = ", configuration))
    assert names == set(commands.ConnectData.__struct_encode_fields__) - {"resume", "temperature"}


def test_page_asks_for_the_servers_subprotocol():
    assert f'"{SUBPROTOCOL}"' in script("socket.js")

"""What a client may send, and whatever else it sends."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.browser import commands

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def read(frame):
    """A command, or None where the frame was refused in words; anything else is a bug."""
    try:
        return commands.decode(frame)
    except commands.CommandError as error:
        refusal = error
    assert refusal.code
    assert str(refusal)
    return None


@given(st.text() | st.binary())
def test_garbage_is_refused_in_words(frame):
    assert read(frame) is None


@given(ANY_JSON)
def test_any_json_is_refused_in_words(value):
    assert read(json.dumps(value)) is None


@given(st.sampled_from(commands.TYPES), ANY_JSON)
def test_any_data_of_a_known_type_is_a_command_or_refused(kind, data):
    command = read(json.dumps({"type": kind, "data": data}))
    assert command is None or command.__struct_config__.tag == kind


@given(st.binary(max_size=2000).filter(lambda pcm: len(pcm) % 2 == 0), st.integers(8_000, 48_000))
def test_audio_arrives_as_it_was_sent(pcm, rate):
    data = {"data": base64.b64encode(pcm).decode(), "mimeType": f"audio/pcm;rate={rate}"}
    command = commands.decode(json.dumps({"type": "audio", "data": data}))
    assert (commands.check_pcm(command.data.data), command.rate) == (pcm, rate)


def test_deeply_nested_json_is_refused():
    assert read("[" * 200_000) is None
    assert read('{"type": "ping", "data": {"t": ' + "[" * 200_000) is None


def test_a_large_image_is_refused_with_the_limit():
    data = {"data": base64.b64encode(bytes(commands.MAX_IMAGE_BYTES + 1)).decode()}
    with pytest.raises(commands.CommandError, match="700 KB"):
        commands.decode(json.dumps({"type": "image", "data": data}))

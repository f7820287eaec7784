"""The way of the sound on the server: the queue to Gemini, the socket to the page, and what is heard of a reply."""

from ..breakage import Breakage, Edit

BUFFERS = "sessions_app/live/buffers.py"
BRIDGE = "sessions_app/live/bridge.py"
MARKS = "sessions_app/live/marks.py"
PAGE_SOCKET = "sessions_app/page_socket.py"
PROTOCOL = "sessions_app/live/protocol.py"

BREAKAGES = [
    Breakage(
        "the newest audio is dropped, not the oldest",
        "tests/unit/test_uplink.py::test_beyond_the_bound_the_oldest_audio_is_dropped_and_counted",
        Edit(BUFFERS, "for item in list(self._items):", "for item in reversed(list(self._items)):"),
    ),
    Breakage(
        "audio waits without a bound",
        "tests/unit/test_uplink.py::test_beyond_the_bound_the_oldest_audio_is_dropped_and_counted",
        Edit(
            BUFFERS,
            "if self._audio_bytes > self._max_bytes:\n            self._drop_oldest_audio()\n        self._wake()",
            "self._wake()",
        ),
    ),
    Breakage(
        "nobody is told of dropped audio",
        "tests/unit/test_bridge.py::test_what_a_slow_gemini_does_not_take_is_dropped_counted_and_told",
        Edit(BRIDGE, "if dropped == self._dropped_before:", "if dropped >= self._dropped_before:"),
    ),
    Breakage(
        "a message that the SDK refuses ends the conversation",
        "tests/unit/test_bridge.py::test_a_message_that_cannot_be_sent_does_not_hold_up_those_behind_it",
        Edit(BRIDGE, "                uplink.discard_in_flight()\n", "                raise\n"),
    ),
    Breakage(
        "push-to-talk's marks go out twice",
        "tests/unit/test_bridge.py::test_marks_go_out_in_pairs_only",
        Edit(MARKS, "        return changed", "        return True"),
    ),
    Breakage(
        "an interruption waits behind the audio",
        "tests/unit/test_page_socket.py::test_an_interruption_overtakes_the_audio_that_waits",
        Edit(PAGE_SOCKET, "            self._drop_audio()\n", "            pass\n"),
    ),
    Breakage(
        "frames to the page out of order",
        "tests/unit/test_page_socket.py::test_what_waits_goes_out_in_order",
        Edit(PAGE_SOCKET, "self._waiting.popleft()", "self._waiting.pop()"),
    ),
    Breakage(
        "frames wait for a page without a bound",
        "tests/unit/test_page_socket.py::test_a_browser_that_reads_nothing_is_told_once_and_costs_a_bounded_amount",
        Edit(PAGE_SOCKET, "            if self._bytes > MAX_WAITING:\n", "            if self._bytes < 0:\n"),
    ),
    Breakage(
        "what waits for the page is lost at the close",
        "tests/unit/test_page_socket.py::test_closing_sends_what_waits_first",
        Edit(
            PAGE_SOCKET,
            "            await asyncio.wait({writer}, timeout=FAREWELL)\n            if not",
            "            if not",
        ),
    ),
    Breakage(
        "the rest of an interrupted reply is heard",
        "tests/protocol/test_conversation.py::test_audio_that_shares_a_message_with_interrupted_is_not_heard",
        Edit(PROTOCOL, "if content.model_turn and not self._silenced():", "if content.model_turn:"),
    ),
    Breakage(
        "after Esc the reply goes on",
        "tests/protocol/test_conversation.py::test_silence_leaves_out_the_rest_of_the_reply_and_only_that",
        Edit(PROTOCOL, '            self._silenced_by = "user"\n', "            pass\n"),
    ),
    Breakage(
        "half a sample passes for audio",
        "tests/integration/test_voice.py::test_a_bad_frame_gets_its_error_and_the_conversation_lives",
        Edit("sessions_app/browser/commands.py", "if len(pcm) % 2:", "if not pcm:"),
    ),
    Breakage(
        "a flood is not stopped",
        "tests/reliability/test_limits.py::test_a_flood_ends_its_own_socket_and_nobody_elses",
        Edit("sessions_app/consumers.py", "if not self.within_limits(size):", "if not size:"),
    ),
]

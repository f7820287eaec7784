"""A lost connection costs nothing: what is said again, what is told to the next, and who may come back."""

from ..breakage import Breakage, Edit

BRIDGE = "sessions_app/live/bridge.py"
BUFFERS = "sessions_app/live/buffers.py"
CONNECTIONS = "sessions_app/live/connections.py"
DEPARTURE = "sessions_app/live/departure.py"
HANDOVER = "sessions_app/live/handover.py"
LIVE_HERE = "sessions_app/live_here.py"
MEMORY = "sessions_app/live/memory.py"

BREAKAGES = [
    Breakage(
        "what was not answered is not said again",
        "tests/unit/test_bridge.py::"
        "test_a_lost_connection_is_resumed_with_its_handle_and_nothing_said_meanwhile_is_lost",
        Edit(HANDOVER, "self._uplink.rewind()", "False"),
    ),
    Breakage(
        "what is said again comes in the wrong order",
        "tests/unit/test_uplink.py::test_what_is_said_again_keeps_its_order",
        Edit(BUFFERS, "for item in reversed(unanswered):", "for item in unanswered:"),
    ),
    Breakage(
        "what was answered is said again",
        "tests/unit/test_uplink.py::test_what_is_answered_is_not_said_again",
        Edit(BUFFERS, "        self._journal.answered(interrupted=interrupted)\n", "        pass\n"),
    ),
    Breakage(
        "speech that nobody has answered is taken for silence",
        "tests/unit/test_journal.py::test_speech_just_before_a_typed_message_is_noticed",
        Edit("sessions_app/live/journal.py", "LOUD = 500", "LOUD = 40_000"),
    ),
    Breakage(
        "the handle is not used",
        "tests/unit/test_bridge.py::"
        "test_a_lost_connection_is_resumed_with_its_handle_and_nothing_said_meanwhile_is_lost",
        Edit(CONNECTIONS, "self._dial(self.handle or None,", "self._dial(None,"),
    ),
    Breakage(
        "an update without a handle costs the last good one",
        "tests/unit/test_bridge.py::test_an_update_without_a_handle_leaves_the_last_one",
        Edit(BRIDGE, "                    if handle:\n", "                    if True:\n"),
    ),
    Breakage(
        "a refused handle is tried again",
        "tests/unit/test_bridge.py::test_a_refused_handle_is_dropped_once",
        Edit(CONNECTIONS, '                self.handle = ""\n', "                pass\n"),
    ),
    Breakage(
        "a resumed connection is told everything again",
        "tests/unit/test_memory.py::test_a_resumed_connection_is_told_what_its_handle_does_not_know",
        Edit(MEMORY, "        if resumed:\n", "        if not resumed:\n"),
    ),
    Breakage(
        "each loss counts as a failure",
        "tests/unit/test_bridge.py::test_connections_that_were_of_use_are_no_failures_in_a_row",
        Edit(BRIDGE, "        self._connections.of_use |= turn.answered\n", ""),
    ),
    Breakage(
        "goAway is left in mid-turn",
        "tests/unit/test_bridge.py::test_go_away_waits_for_the_end_of_the_turn",
        Edit(DEPARTURE, "        if not self._between_turns():\n            return\n", ""),
    ),
    Breakage(
        "goAway's deadline is not kept",
        "tests/unit/test_bridge.py::test_go_away_followed_by_silence_is_left_by_the_clock",
        Edit(DEPARTURE, "max(0.5, seconds - BEFORE_THE_END)", "60 + seconds"),
    ),
    Breakage(
        "goAway does not wait for the turn's handle",
        "tests/reliability/test_handover.py::test_after_goaway_the_handle_of_the_turn_is_waited_for",
        Edit(DEPARTURE, "        if self._has_handle():\n", "        if True:\n"),
    ),
    Breakage(
        "a question that breaks every connection is never given up",
        "tests/unit/test_bridge.py::test_a_question_that_breaks_every_connection_is_given_up",
        Edit(HANDOVER, "if self._repetitions <= MOST_REPETITIONS:", "if self._repetitions >= 0:"),
    ),
    Breakage(
        "a question that was given up is asked once more",
        "tests/unit/test_bridge.py::test_a_question_that_breaks_every_connection_is_given_up",
        Edit(HANDOVER, "self._question_waits = not turn.answered", "self._question_waits = True"),
    ),
    Breakage(
        "what a page says again is asked twice",
        "tests/unit/test_bridge.py::test_what_a_page_says_again_because_it_may_be_lost_is_asked_once",
        Edit(
            "sessions_app/live/inbound.py",
            'if turn_id := self._typed.get(message_id or ""):',
            'if turn_id := self._typed.get(""):',
        ),
    ),
    Breakage(
        "a page that comes back is not told what it missed",
        "tests/unit/test_bridge.py::test_a_page_that_comes_back_is_told_what_it_missed",
        Edit(BRIDGE, "            for event in away.missed:\n", "            for event in ():\n"),
    ),
    Breakage(
        "who is lost goes on holding the button",
        "tests/unit/test_bridge.py::test_who_is_lost_while_he_holds_the_button_has_let_go_of_it",
        Edit(BRIDGE, "            self.obey(commands.ActivityEnd())\n", "            pass\n"),
    ),
    Breakage(
        "the grace period does not end",
        "tests/integration/test_takeover.py::test_a_conversation_that_nobody_comes_back_to_ends",
        Edit(LIVE_HERE, "call_later(settings.RECONNECT_GRACE, self.end)", "call_later(3600, self.end)"),
    ),
    Breakage(
        "a lost browser leaves its conversation",
        "tests/integration/test_takeover.py::test_a_conversation_whose_browser_is_lost_waits_for_it",
        Edit(LIVE_HERE, "if self.bridge is None:\n            self.end()", "if True:\n            self.end()"),
    ),
    Breakage(
        "a slower tab sends its successor away",
        "tests/integration/test_takeover.py::test_a_tab_that_was_slower_than_its_successor_does_not_send_it_away",
        Edit(LIVE_HERE, "if found and found.recorder.generation > generation:", "if found and not generation:"),
    ),
]

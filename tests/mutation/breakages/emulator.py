"""The emulator in Gemini's place: what it refuses, whose turn it is, what goes wrong and when."""

from ..breakage import Breakage, Edit

CALLS = "sessions_app/emulator/calls.py"
FAULTS = "sessions_app/emulator/faults.py"
HANDLES = "sessions_app/emulator/handles.py"
LISTENING = "sessions_app/emulator/listening.py"
SESSION = "sessions_app/emulator/session.py"
TOKENS = "sessions_app/emulator/tokens.py"
TURNS = "sessions_app/emulator/turns.py"

BREAKAGES = [
    Breakage(
        "fields that Google does not know are taken",
        "tests/contract/test_fields.py::test_02_wrong_values_and_unknown_fields_everywhere",
        Edit("sessions_app/emulator/proto.py", "            if found is None:\n                raise Mismatch(",
             "            if found is None:\n                continue\n                raise Mismatch("),
    ),
    Breakage(
        "what follows a refusal is heard",
        "tests/contract/test_bad_input.py::test_02_nothing_is_heard_after_a_refusal",
        Edit(SESSION, "                    return  # what the client had sent meanwhile is not read any more\n", ""),
    ),
    Breakage(
        "a session begins without a setup",
        "tests/contract/test_connect.py::test_02_first_message_must_be_setup",
        Edit(SESSION, '        if kind != "setup":\n', '        if kind == "":\n'),
    ),
    Breakage(
        "a wrong key is good",
        "tests/contract/test_connect.py::test_01_bad_key_closes_in_connect",
        Edit("sessions_app/emulator/server.py", "        if credential.value in self.bad_keys:\n",
             "        if credential.value is None:\n"),
    ),
    Breakage(
        "marks are refused where the client makes them",
        "tests/contract/test_voice.py::test_08_manual_mode_ends_the_turn_only_on_activity_end",
        Edit(LISTENING, "        if self._stream is not None:\n            raise Refusal(",
             "        if self._stream is None:\n            raise Refusal("),
    ),
    Breakage(
        "what is written does not interrupt",
        "tests/contract/test_turns.py::test_06_client_content_interrupts_the_active_turn",
        Edit(TURNS, "        if interrupts:\n            await self.interrupt()\n", ""),
    ),
    Breakage(
        "an interruption is not told",
        "tests/contract/test_turns.py::test_06_client_content_interrupts_the_active_turn",
        Edit(TURNS, "            await self._say_interrupted()\n            await self._complete_turn()\n",
             "            await self._complete_turn()\n"),
    ),
    Breakage(
        "a history is answered",
        "tests/contract/test_turns.py::test_06_a_complete_history_is_not_answered",
        Edit(LISTENING, "        if self._seeding:\n            self._seeding = False\n            return\n", ""),
    ),
    Breakage(
        "a turn is complete before it was heard",
        "tests/contract/test_turns.py::test_07_turn_complete_waits_for_the_listener",
        Edit(TURNS, "            await self._clock.sleep(gap)\n", "            pass\n"),
    ),
    Breakage(
        "a blocking call outlives the next question",
        "tests/contract/test_tools.py::"
        "test_10_blocking_call_is_cancelled_by_new_input_and_late_answers_are_ignored",
        Edit(TURNS, "withdrawn = self.calls.withdraw(blocking_only=True)", "withdrawn: list[str] = []"),
    ),
    Breakage(
        "one of several results is answered alone",
        "tests/contract/test_scripted.py::test_10_several_calls_at_once_and_one_reply_of_all_results",
        Edit(TURNS, "if any(other is not use for other in group.waiting.values()):", "if False:"),
    ),
    Breakage(
        "a silent result is spoken of",
        "tests/contract/test_tools.py::test_10_silent_says_nothing",
        Edit(TURNS, 'elif scheduling == "SILENT":', 'elif scheduling == "NEVER":'),
    ),
    Breakage(
        "a handle is good while its session is open",
        "tests/contract/test_lives.py::test_11_resuming_over_an_open_predecessor",
        Edit(HANDLES, "        if session.open:\n", "        if session is None:\n"),
    ),
    Breakage(
        "a handle restores nothing",
        "tests/contract/test_lives.py::test_11_resumption_restores_history",
        Edit(HANDLES, "        return list(history)\n", "        return []\n"),
    ),
    Breakage(
        "an unknown handle is good",
        "tests/contract/test_lives.py::test_11_invalid_handle",
        Edit(HANDLES, '            raise Refusal("BidiGenerateContent session not found", code=1008)\n',
             "            return []\n"),
    ),
    Breakage(
        "an ephemeral token is good for ever",
        "tests/contract/test_vertex_and_tokens.py::test_01_a_token_is_as_good_as_a_key_once",
        Edit(TOKENS, "                token.uses -= 1\n", "                pass\n"),
    ),
    Breakage(
        "an ephemeral token locks nothing",
        "tests/contract/test_vertex_and_tokens.py::test_01_what_a_token_locks",
        Edit(TOKENS, "        return _constrain(token, setup)\n", "        return setup\n"),
    ),
    Breakage(
        "a fault strikes too early",
        "tests/contract/test_faults.py::test_13_close_at_a_moment",
        Edit(FAULTS, "or count < fault.nth or", "or"),
    ),
    Breakage(
        "a fault strikes more often than it may",
        "tests/contract/test_faults.py::test_13_refusals_end",
        Edit(FAULTS, "if fault.times and self._struck[number] >= fault.times:", "if fault.times < 0:"),
    ),
    Breakage(
        "a connection ends without a goAway",
        "tests/contract/test_lives.py::test_11_go_away_and_the_close_at_the_deadline",
        Edit("sessions_app/emulator/strikes.py",
             """        await self._session.send({"goAway": {"timeLeft": f"{fault.seconds:g}s"}})\n""", ""),
    ),
    Breakage(
        "silence does not end an utterance",
        "tests/unit/emulator/test_activity.py::test_activity_starts_and_ends_with_the_speech",
        Edit("sessions_app/emulator/activity.py", "if self._run >= self._silence_windows or len",
             "if self._run >= 100 * self._silence_windows or len"),
    ),
    Breakage(
        "tokens of an earlier turn are not counted again",
        "tests/contract/test_turns.py::test_12_usage",
        Edit("sessions_app/emulator/usage.py",
             "        self._prompt_audio_seconds += self._response_audio_seconds\n", ""),
    ),
]  # fmt: skip

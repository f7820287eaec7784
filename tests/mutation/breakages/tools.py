"""Tools: which may run, for whom and how long; each answered once; nothing private reached, nothing secret told."""

from ..breakage import Breakage, Edit

ADMISSION = "tools_app/admission.py"
CALLS = "sessions_app/live/calls.py"
EXECUTOR = "tools_app/executor.py"

BREAKAGES = [
    Breakage(
        "the list of allowed tools is not looked at",
        "tests/integration/tools/test_executor.py::test_a_tool_outside_the_sessions_list_is_denied_and_never_runs",
        Edit(EXECUTOR, "        if not self._allows(tool.name):\n", "        if self.allowed == ():\n"),
    ),
    Breakage(
        "a tool's permission is not asked for",
        "tests/integration/tools/test_admission.py::test_a_permission_is_asked_of_the_sessions_user_at_every_call",
        Edit(ADMISSION, "if tool.permission and not await _has_permission(tool, context):", "if False:"),
    ),
    Breakage(
        "a tool's rate has no end",
        "tests/integration/tools/test_admission.py::test_a_rate_is_counted_by_user_over_all_conversations",
        Edit(ADMISSION, "if count > calls else 0", "if count < calls else 0"),
    ),
    Breakage(
        "nobody is asked for an approval",
        "tests/integration/tools/test_admission.py::test_a_tool_that_wants_an_approval_runs_only_when_somebody_agrees",
        Edit(ADMISSION, "    if approval:\n", "    if not approval:\n"),
    ),
    Breakage(
        "a click agrees to any arguments",
        "tests/unit/test_calls.py::test_a_click_is_for_the_arguments_that_were_shown_and_for_one_call",
        Edit("sessions_app/live/approvals.py", "if click.approved and click.args_hash != hash:", "if not hash:"),
    ),
    Breakage(
        "what is sensitive leaves by another tool",
        "tests/integration/tools/test_chains.py::test_the_chain_is_stopped_and_the_click_lets_it_go_on",
        Edit(EXECUTOR, "                self._knows_sensitive |= tool.sensitive\n", ""),
    ),
    Breakage(
        "a withdrawn call is answered",
        "tests/unit/test_calls.py::test_an_answer_that_still_waits_is_not_sent_when_its_call_is_withdrawn",
        Edit(CALLS, "if call_id not in self._by_id:", "if not call_id:"),
    ),
    Breakage(
        "a withdrawn call runs on",
        "tests/unit/test_calls.py::test_cancelled_tool_call_is_never_answered",
        Edit(CALLS, "self._forget(call)\n            if call.task:", "if call.outcome and call.task:"),
    ),
    Breakage(
        "a call that is delivered twice runs twice",
        "tests/protocol/test_conversation.py::test_the_same_call_delivered_twice_runs_once",
        Edit("sessions_app/live/protocol.py", "if call.id not in self._calls:", "if call.id:"),
    ),
    Breakage(
        "a call runs again on the next connection",
        "tests/unit/test_calls.py::test_a_call_that_is_asked_for_again_after_a_loss_runs_once",
        Edit(CALLS, "if before := self._asked_before.pop(call.key, None):", "if before := None:"),
    ),
    Breakage(
        "an answer is sent twice",
        "tests/unit/test_calls.py::test_an_answer_that_waited_for_a_lost_connection_is_told_once",
        Edit(CALLS, "        call.answered = True\n        self._by_id.pop(call_id, None)\n", ""),
    ),
    Breakage(
        "the default time-out of tools is not kept",
        "tests/integration/tools/test_executor.py::test_the_settings_time_out_is_the_default",
        Edit(EXECUTOR, "tool.timeout or settings.TOOLS_TIMEOUT", "tool.timeout or 3"),
    ),
    Breakage(
        "a call has no final status",
        "tests/integration/tools/test_executor.py::"
        "test_a_cancelled_call_stops_its_tool_and_has_its_final_status_when_it_ends",
        Edit(
            EXECUTOR,
            '            write = self._finish(record, "cancelled", None, "The call was cancelled.")[1]\n'
            "            await asyncio.wait({as_asyncio(write)}, timeout=RECORD_SECONDS)\n",
            "",
        ),
    ),
    Breakage(
        "a tool's error goes to the model as it is",
        "tests/integration/tools/test_executor.py::test_a_surprise_is_opaque_to_the_model_and_whole_in_the_log",
        Edit(
            EXECUTOR,
            'raise CallRefused("error", _surprise(tool, error)) from error',
            'raise CallRefused("error", str(error)) from error',
        ),
    ),
    Breakage(
        "wrong arguments reach the tool",
        "tests/unit/tools/test_arguments.py::test_wrong_arguments_are_refused_in_a_sentence",
        Edit(
            "tools_app/arguments.py",
            "return self.model.model_validate(self._given(tool, args))",
            "return self.model.model_construct(**self._given(tool, args))",
        ),
    ),
    Breakage(
        "a flood of a tool is not cut",
        "tests/unit/tools/test_results.py::test_a_flood_is_cut_at_the_limit",
        Edit("tools_app/results.py", "        if self.left <= 0:\n", "        if self.left is None:\n"),
    ),
    Breakage(
        "private addresses are reached",
        "tests/integration/tools/test_http.py::test_hostile_hosts_are_refused_before_a_connection",
        Edit("tools_app/targets.py", "if not self.is_excepted and not all(", "if self.is_excepted and not all("),
    ),
    Breakage(
        "one public address lets the private ones pass",
        "tests/integration/tools/test_http.py::test_a_name_is_resolved_once_and_one_private_address_refuses_it",
        Edit("tools_app/targets.py", "not all(is_public(address)", "not any(is_public(address)"),
    ),
    Breakage(
        "an async tool runs among the voices",
        "tests/integration/tools/test_running.py::test_async_tools_share_one_loop_that_is_not_the_voices",
        Edit("tools_app/running.py", "result = await LOOP.run(call)", "result = await call()"),
    ),
]

"""What is kept: the writer, the fence between two sockets, the end of a server, redaction and retention."""

from ..breakage import Breakage, Edit

BRIDGE = "sessions_app/live/bridge.py"
HOUSEKEEPING = "sessions_app/housekeeping.py"
LEDGER = "sessions_app/live/ledger.py"
LIVE_HERE = "sessions_app/live_here.py"
RECORDER = "sessions_app/recorder.py"
RETENTION = "sessions_app/retention.py"
WRITER = "tools_app/writer.py"

BREAKAGES = [
    Breakage(
        "an older socket writes on",
        "tests/integration/test_takeover.py::test_another_process_takes_the_session_away",
        Edit(RECORDER, "sessions.filter(generation=self.generation).update(", "sessions.update("),
    ),
    Breakage(
        "a tab that takes over costs the older one's write",
        "tests/integration/test_takeover.py::test_a_write_waits_a_moment_for_the_tab_that_takes_over",
        Edit(RECORDER, "for pause in (0, SAID_SO):", "for pause in (0,):"),
    ),
    Breakage(
        "the last turn is dropped at the end",
        "tests/unit/test_bridge.py::test_leaving_saves_the_turn_that_was_going_on",
        Edit(BRIDGE, "                self._recorder.save_turn(event)\n", "                pass\n"),
    ),
    Breakage(
        "a turn is final before it is saved",
        "tests/unit/test_bridge.py::test_a_final_waits_for_the_commit",
        Edit(
            LEDGER,
            "        self._recorder.save_turn(turn).add_done_callback(partial(self._saved, turn))\n",
            "        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()\n"
            "        saved.set_result(self._recorder.save_turn(turn) and None)\n"
            "        self._saved(turn, saved)\n",
        ),
    ),
    Breakage(
        "a turn that was not saved is final",
        "tests/unit/test_bridge.py::test_a_turn_that_cannot_be_saved_is_never_called_final",
        Edit(LEDGER, '            self._tell(page.error("not_saved", message))\n            return\n',
             '            self._tell(page.error("not_saved", message))\n'),
    ),
    Breakage(
        "the writer forgets what waits when it stops",
        "tests/integration/tools/test_writer.py::test_stopping_writes_what_waits_and_a_later_write_starts_it_again",
        Edit(WRITER, "            if not self._waiting:\n                self._thread",
             "            if self._stop_at or not self._waiting:\n                self._thread"),
    ),
    Breakage(
        "the writer writes in the wrong order",
        "tests/integration/tools/test_writer.py::test_writes_are_kept_in_their_order_over_an_outage",
        Edit(WRITER, "self._waiting.append(write)", "self._waiting.appendleft(write)"),
    ),
    Breakage(
        "an outage costs the writes",
        "tests/integration/tools/test_writer.py::test_writes_are_kept_in_their_order_over_an_outage",
        Edit(WRITER, "now - self._patience", "now"),
    ),
    Breakage(
        "writes wait without a bound",
        "tests/integration/tools/test_writer.py::test_what_waits_is_bounded_in_number",
        Edit(WRITER, "accepted = len(self._waiting) < self._max_waiting", "accepted = True"),
    ),
    Breakage(
        "one wrong write costs its neighbours",
        "tests/integration/tools/test_writer.py::test_a_poisoned_write_does_not_fail_its_neighbours",
        Edit(WRITER, "                for write in batch:\n                    self._commit([write])\n",
             "                for write in self._take(len(batch)):\n"
             "                    write.future.set_exception(error)\n"),
    ),
    Breakage(
        "a server that stops does not wait for its conversations",
        "tests/integration/test_takeover.py::test_a_server_that_stops_saves_its_conversations",
        Edit(LIVE_HERE, "gather(*[conversation.ended() for conversation in conversations])", "gather()"),
    ),
    Breakage(
        "what was used is not written when the server stops",
        "tests/integration/test_takeover.py::test_a_server_that_stops_counts_what_was_used",
        Edit(LIVE_HERE, "            await asyncio.to_thread(meters.write)\n", "            pass\n"),
    ),
    Breakage(
        "a transcript is not redacted",
        "tests/integration/test_retention.py::test_a_redactor_decides_what_is_saved",
        Edit(RECORDER, "text=redact(said.text, role)", "text=said.text"),
    ),
    Breakage(
        "a tool's arguments are not redacted",
        "tests/integration/test_retention.py::test_a_redactor_decides_what_is_saved",
        Edit("tools_app/recorder.py", '"arguments": redact_payload(self._row["arguments"])',
             '"arguments": self._row["arguments"]'),
    ),
    Breakage(
        "a live session's transcript is deleted",
        "tests/integration/test_retention.py::test_a_live_session_is_left_alone",
        Edit(RETENTION, ".filter(last_activity_at__lt=before).exclude(status__in=LiveSession.CARRIED)",
             ".filter(last_activity_at__lt=before)"),
    ),
    Breakage(
        "Gemini's handle outlives the transcript",
        "tests/integration/test_retention.py::test_old_transcripts_and_payloads_go_and_figures_stay",
        Edit(RETENTION, '{"instruction": "", "resumption_handle": "", "handle_sequence": 0}',
             '{"instruction": ""}'),
    ),
    Breakage(
        "what tools were given is kept for ever",
        "tests/integration/test_retention.py::test_each_kind_has_its_own_days",
        Edit(RETENTION, "_before(settings.RETENTION_TOOL_PAYLOAD_DAYS)", "_before(settings.RETENTION_TRANSCRIPT_DAYS)"),
    ),
    Breakage(
        "what is deleted stays in the file",
        "tests/integration/test_retention.py::test_what_is_purged_is_gone_from_the_file",
        Edit(RETENTION, '            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")\n', "            pass\n"),
    ),
    Breakage(
        "calls of a dead server run for ever",
        "tests/integration/tools/test_executor.py::test_calls_of_a_dead_server_get_their_final_status",
        Edit("tools_app/models.py", "        running.update(**ended)\n", ""),
    ),
    Breakage(
        "a deleted session leaves no word for who syncs",
        "tests/integration/lists/test_session_sync.py::test_who_syncs_is_told_what_was_deleted_in_whatever_way",
        Edit("sessions_app/models.py", "@receiver(post_delete, sender=LiveSession)\n", ""),
    ),
]  # fmt: skip

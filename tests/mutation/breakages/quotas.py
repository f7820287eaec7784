"""Quotas: what is counted, for whom, until when, and what is refused."""

from ..breakage import Breakage, Edit

ADMISSION = "sessions_app/quotas/admission.py"
LIMITS = "sessions_app/quotas/limits.py"
METER = "sessions_app/quotas/meter.py"
MODELS = "sessions_app/quotas/models.py"
TESTS = "tests/integration/test_quotas.py::"

BREAKAGES = [
    Breakage(
        "tokens are not counted",
        TESTS + "test_a_meter_counts_tokens_money_and_time_and_ends_the_conversation",
        Edit(METER, "            self._counted += Counted(0, usage.total, micros)\n", "            pass\n"),
    ),
    Breakage(
        "tokens are counted twice",
        TESTS + "test_a_meter_counts_tokens_money_and_time_and_ends_the_conversation",
        Edit(METER, "self._counted + Counted(whole), Counted()", "self._counted + Counted(whole), self._counted"),
    ),
    Breakage(
        "what was used up does not end a conversation",
        TESTS + "test_a_meter_counts_tokens_money_and_time_and_ends_the_conversation",
        Edit(METER, "                meter.refuse(QuotaUsedUp(", "                str(QuotaUsedUp("),
    ),
    Breakage(
        "what was used up is not looked at",
        TESTS + "test_what_is_used_up_comes_back_at_midnight",
        Edit(ADMISSION, "used_up := allowance.used_up(use)", "used_up := allowance.used_up(DailyUse())"),
    ),
    Breakage(
        "money has no limit",
        TESTS + "test_what_is_used_up_comes_back_at_midnight",
        Edit(LIMITS, "use.micros >= self.money * 1_000_000:", "use.micros >= self.money * 1_000_000_000:"),
    ),
    Breakage(
        "any number of conversations at once",
        TESTS + "test_so_many_at_once_and_one_that_comes_back_counts_once",
        Edit(ADMISSION, "if held.count() >= allowance.sessions:", "if held.count() > 2 * allowance.sessions:"),
    ),
    Breakage(
        "who comes back counts twice",
        TESTS + "test_so_many_at_once_and_one_that_comes_back_counts_once",
        Edit(ADMISSION, "        held = held.exclude(pk=session.pk)\n", "        pass\n"),
    ),
    Breakage(
        "a killed process's lease never ends",
        TESTS + "test_what_a_killed_process_carried_counts_until_the_lease_is_over",
        Edit(ADMISSION, "held_by=holder, seen_at__gt=timezone.now() - lease())", "held_by=holder)"),
    ),
    Breakage(
        "a missed sign of life ends the lease",
        TESTS + "test_what_a_killed_process_carried_counts_until_the_lease_is_over",
        Edit("sessions_app/housekeeping.py", "MISSED_SIGNS = 4", "MISSED_SIGNS = 1"),
    ),
    Breakage(
        "time is counted while nobody is there",
        TESTS + "test_time_is_counted_while_somebody_is_there",
        Edit(METER, "            self._since = None\n", ""),
    ),
    Breakage(
        "what could not be written is forgotten",
        TESTS + "test_what_cannot_be_written_is_counted_later",
        Edit(METER, "                    meter.give_back(its)\n", "                    pass\n"),
    ),
    Breakage(
        "of two who count at once one is lost",
        TESTS + "test_what_several_count_at_the_same_moment_is_all_counted",
        Edit(
            MODELS,
            "        mine = self.filter(holder=holder, day=day)\n        if not mine.update(**more):",
            "        mine = self.filter(holder=holder, day=day)\n"
            "        if used := mine.first():\n"
            "            more = {'seconds': used.seconds + seconds, 'tokens': used.tokens + tokens, 'micros': micros}\n"
            "        if not mine.update(**more):",
        ),
    ),
    Breakage(
        "the switch is not looked at",
        TESTS + "test_the_switch_stops_new_conversations_and_lets_those_that_run_come_back",
        Edit(ADMISSION, "    if switch.stopped:\n", "    if switch.stopped is None:\n"),
    ),
    Breakage(
        "the switch ends what runs without being asked to",
        TESTS + "test_now_ends_those_that_run_too",
        Edit(METER, "if switch.end_running and switch.stopped:", "if switch.stopped:"),
    ),
    Breakage(
        "a group's limit wins over one's own",
        TESTS + "test_her_own_row_wins_over_her_groups_over_that_for_all_users_over_the_setting",
        Edit(LIMITS, "(Quota.For.USER, Quota.For.GROUP, Quota.For.USERS)",
             "(Quota.For.GROUP, Quota.For.USER, Quota.For.USERS)"),
    ),
    Breakage(
        "every address of an IPv6 network has a quota of its own",
        TESTS + "test_an_address_is_kept_as_a_hash_and_a_network_of_ipv6_is_one_caller",
        Edit("sessions_app/access/address.py", "ipaddress.ip_network((found, 64), strict=False)", "found"),
    ),
    Breakage(
        "a token's minutes are not counted",
        "tests/integration/access/test_ephemeral_tokens.py::test_its_minutes_count_when_it_is_made",
        Edit(ADMISSION, "seconds=minutes * 60, tokens=0, micros=0", "seconds=0, tokens=0, micros=0"),
    ),
    Breakage(
        "the minutes of a token that was not made stay used",
        "tests/integration/access/test_ephemeral_tokens.py::test_what_cannot_be_done_says_why",
        Edit(ADMISSION, "        DailyUse.objects.give_back(holder, day, minutes * 60)\n", "        pass\n"),
    ),
    Breakage(
        "an expert's tokens are nobody's",
        "tests/integration/test_expert_conversation.py::"
        "test_its_tokens_are_those_of_who_called_it_outside_a_conversation",
        Edit("sessions_app/quotas/tools.py", "tokens_used.connect(_count)\n", ""),
    ),
]  # fmt: skip

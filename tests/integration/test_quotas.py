"""What one may use: rows, settings, days, and several processes' worth of counting."""

import contextlib
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from sessions_app import access
from sessions_app.exceptions import ConversationsStopped, QuotaUsedUp, TooManyOfYours
from sessions_app.housekeeping import KEPT, tidy
from sessions_app.live.events import UsageReported
from sessions_app.models import ConversationSwitch, DailyUse, LiveSession, Quota
from sessions_app.quotas import admission
from sessions_app.quotas.holders import holder
from sessions_app.quotas.limits import Allowance, allowance_of
from sessions_app.quotas.meter import Meters
from tests.integration.caller import Caller

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def hers(ada) -> str:
    return f"user:{ada.pk}"


def opened(whose: str) -> LiveSession:
    """As a consumer opens one."""
    with transaction.atomic():
        admission.admit(whose, None)
        session = access.new_session(None)
        access.carry(session)
        admission.hold(whose, session)
    session.refresh_from_db()
    return session


# --- Whose, and how much ---------------------------------------------------------------------------------------------


def test_her_own_row_wins_over_her_groups_over_that_for_all_users_over_the_setting(ada, hers, settings):
    settings.QUOTA_USER = "sessions=1"
    assert allowance_of(hers) == Allowance(sessions=1)
    Quota.objects.create(applies_to="users", sessions=2)
    assert allowance_of(hers) == Allowance(sessions=2)
    small, large, other = (Group.objects.create(name=name) for name in ("small", "large", "other"))
    ada.groups.add(small, large)
    Quota.objects.create(applies_to="group", group=small, sessions=5, minutes=10, tokens=7)
    Quota.objects.create(applies_to="group", group=large, sessions=4, minutes=None, tokens=9)
    Quota.objects.create(applies_to="group", group=other, sessions=50)
    assert allowance_of(hers) == Allowance(sessions=5, minutes=None, tokens=9)  # the most generous of each
    Quota.objects.create(applies_to="user", user=ada, sessions=3)
    assert allowance_of(hers) == Allowance(sessions=3)


def test_addresses_have_a_row_or_a_setting_of_their_own(settings):
    settings.QUOTA_ADDRESS = "sessions=4 money=0.50"
    nobody = holder(None, {"REMOTE_ADDR": "203.0.113.7"})
    assert (allowance_of(nobody).sessions, str(allowance_of(nobody).money)) == (4, "0.50")
    Quota.objects.create(applies_to="users", sessions=2)
    Quota.objects.create(applies_to="addresses", sessions=9)
    assert allowance_of(nobody) == Allowance(sessions=9)


def test_an_address_is_kept_as_a_hash_and_a_network_of_ipv6_is_one_caller():
    def of(address: str) -> str:
        return holder(None, {"type": "websocket", "client": (address, 5000)})

    assert "203.0.113.7" not in of("203.0.113.7")
    assert of("203.0.113.7") == of("::ffff:203.0.113.7") != of("203.0.113.8")
    assert of("2001:db8:0:1::1") == of("2001:db8:0:1:ffff::2") != of("2001:db8:0:2::1")


@pytest.mark.parametrize("wrong", [{"applies_to": "user"}, {"applies_to": "group"}])
def test_a_row_is_for_somebody(wrong):
    with pytest.raises(ValidationError, match="Choose the user or the group"):
        Quota(**wrong).full_clean()


@pytest.mark.parametrize(
    "wrong", ["sessions", "sessions=x", "hours=3", "sessions=1 sessions=2", "money=-1", "money=nan"]
)
def test_a_setting_that_cannot_be_read_is_an_error_at_start_up(wrong, settings):
    settings.QUOTA_ADDRESS = wrong
    assert [found.id for found in run_checks() if "QUOTA_ADDRESS" in found.msg] == ["gemlive.E060"]


def test_a_model_without_a_price_is_a_warning(settings):
    settings.GEMINI_MODEL, settings.EXPERT_MODEL = "gemini-of-tomorrow", "expert-of-tomorrow"
    assert [found.id for found in run_checks()].count("gemlive.W060") == 2


# --- At once ---------------------------------------------------------------------------------------------------------


def test_so_many_at_once_and_one_that_comes_back_counts_once(hers, settings):
    settings.QUOTA_USER = "sessions=2"
    first = opened(hers)
    opened(hers)
    with pytest.raises(TooManyOfYours, match="2 conversations at once"):
        opened(hers)
    with transaction.atomic():
        admission.admit(hers, first)
    opened("user:0")  # somebody else


def test_what_a_killed_process_carried_counts_until_the_lease_is_over(hers, settings):
    settings.QUOTA_USER = "sessions=1"
    settings.HOUSEKEEPING_SECONDS = 10
    session = opened(hers)
    LiveSession.objects.filter(pk=session.pk).update(seen_at=timezone.now() - timedelta(seconds=35))
    with pytest.raises(TooManyOfYours):
        opened(hers)
    LiveSession.objects.filter(pk=session.pk).update(seen_at=timezone.now() - timedelta(seconds=45))
    opened(hers)
    tidy()
    session.refresh_from_db()
    assert session.held_by == ""


# --- In a day --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "use", "sentence"),
    [
        ("minutes=2", {"seconds": 120}, "Today's 2 minutes are used up."),
        ("tokens=5000", {"tokens": 5000}, "Today's 5,000 tokens are used up."),
        ("money=1.50", {"micros": 1_500_000}, r"Today's \$1.50 are used up."),
    ],
)
def test_what_is_used_up_comes_back_at_midnight(hers, settings, quota, use, sentence):
    settings.QUOTA_USER = quota
    nothing = {"seconds": 0, "tokens": 0, "micros": 0}
    less = {name: count - 1 for name, count in use.items()}
    DailyUse.objects.add(hers, NOON.date(), **(nothing | less))
    admission.check(hers, now=NOON)
    DailyUse.objects.add(hers, NOON.date(), **(nothing | dict.fromkeys(use, 1)))
    with pytest.raises(QuotaUsedUp, match=sentence) as refused:
        admission.check(hers, now=NOON + timedelta(minutes=30))
    assert "in 11 hours and 30 minutes, at midnight UTC" in refused.value.message
    assert refused.value.retry_after == 11.5 * 3600
    with pytest.raises(QuotaUsedUp), transaction.atomic():
        admission.admit(hers, None, now=NOON + timedelta(seconds=12 * 3600 - 1))
    admission.admit(hers, None, now=NOON + timedelta(minutes=30, seconds=refused.value.retry_after))


def test_a_meter_counts_tokens_money_and_time_and_ends_the_conversation(hers, settings):
    settings.QUOTA_USER = "tokens=1000"
    meters = Meters()
    one, two = (meters.open(hers, "gemini-3.8-live") for _ in range(2))
    one.begin()
    two.begin()
    one.count(UsageReported(400, 100, 500, {"prompt.audio": 400, "response.audio": 100}))
    meters.write(NOON)
    use = DailyUse.objects.get(holder=hers)
    assert (use.day, use.tokens, use.micros) == (NOON.date(), 500, 400 * 3 + 100 * 12)
    assert one.over() is None
    two.count(UsageReported(400, 100, 500, {}))
    two.end()
    meters.write(NOON)
    over = one.over()
    assert over
    assert (over.code, over.lives, over.retry_after) == ("quota_used_up", True, 12 * 3600)
    meters.write(NOON)  # nothing is counted twice
    use.refresh_from_db()
    assert use.tokens == 1000


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_written_is_counted_later(hers, monkeypatch):
    meters = Meters()
    meter = meters.open(hers, "gemini-3.8-live")
    meter.begin()
    meter.count(UsageReported(400, 100, 500, {}))
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    connection.close()  # the next one waits no longer than that
    with contextlib.closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError):
            meters.write(NOON)
    meters.write(NOON)
    assert DailyUse.objects.get(holder=hers).tokens == 500
    connection.close()


def test_time_is_counted_while_somebody_is_there(hers, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    meters = Meters()
    meter = meters.open(hers, "gemini-3.8-live")
    for happens, seconds in ((meter.begin, 30.4), (meter.rest, 1000), (meter.begin, 30.4), (meter.end, 500)):
        happens()
        clock[0] += seconds
        meters.write(NOON)
    assert DailyUse.objects.get(holder=hers).seconds == 60  # the parts of seconds are kept until they are whole


def test_a_model_without_a_price_counts_tokens_only(hers):
    meters = Meters()
    meter = meters.open(hers, "gemini-of-tomorrow")
    meter.begin()
    meter.count(UsageReported(400, 100, 500, {}))
    meters.write(NOON)
    use = DailyUse.objects.get(holder=hers)
    assert (use.tokens, use.micros, meter.cost(UsageReported(1, 1, 2, {}))) == (500, 0, None)


def test_who_used_how_much_is_forgotten_after_a_month(hers):
    today = timezone.now().date()
    for day in (today - KEPT, today - KEPT - timedelta(days=1)):
        DailyUse.objects.add(hers, day, seconds=1, tokens=1, micros=1)
    tidy()
    assert [use.day for use in DailyUse.objects.all()] == [today - KEPT]


@pytest.mark.django_db(transaction=True)
def test_what_several_count_at_the_same_moment_is_all_counted(hers):
    """Each thread has a connection of its own, as each process has."""
    together = threading.Barrier(4)

    def count() -> None:
        together.wait()
        for _ in range(25):
            DailyUse.objects.add(hers, NOON.date(), seconds=1, tokens=2, micros=3)
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    use = DailyUse.objects.get()
    assert (use.seconds, use.tokens, use.micros) == (100, 200, 300)


# --- The switch ------------------------------------------------------------------------------------------------------


def test_the_switch_stops_new_conversations_and_lets_those_that_run_come_back(hers, capsys):
    running = opened(hers)
    call_command("conversations", "stop", sentence="We are back at 2 pm.")
    assert "Conversations are stopped; 1 are carried." in capsys.readouterr().out
    with pytest.raises(ConversationsStopped, match="We are back at 2 pm"):
        opened(hers)
    with transaction.atomic():
        admission.admit(hers, running)
    call_command("conversations", "start")
    opened(hers)


def test_now_ends_those_that_run_too(hers):
    meters = Meters()
    meter = meters.open(hers, "gemini-3.8-live")
    meter.begin()
    call_command("conversations", "stop")
    meters.write()
    assert meter.over() is None
    call_command("conversations", "stop", "--now")
    meters.write()
    assert meter.over().code == "conversations_stopped"


# --- What callers are told -------------------------------------------------------------------------------------------


def test_rest_says_when_to_try_again(client, settings):
    settings.QUOTA_ADDRESS = "minutes=0"
    refused = client.post("/api/sessions", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_used_up")
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600
    assert "at midnight UTC" in refused.json()["detail"]
    settings.QUOTA_ADDRESS = "sessions=0"
    refused = client.post("/api/sessions", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_sessions")
    assert "Retry-After" not in refused.headers  # it would not help
    settings.QUOTA_ADDRESS = "sessions=1"
    opened(holder(None, {"REMOTE_ADDR": "127.0.0.1"}))
    assert client.post("/api/sessions", {}, "application/json").headers["Retry-After"] == "10"
    ConversationSwitch(stopped=True).save()
    refused = client.post("/api/sessions", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (503, "conversations_stopped")
    assert refused.headers["Retry-After"] == "60"
    assert LiveSession.objects.count() == 1


def test_the_admin_shows_what_is_used_beside_what_is_allowed(admin_client, ada, hers):
    Quota.objects.create(applies_to="user", user=ada, sessions=2, minutes=120, tokens=1000, money=5)
    Quota.objects.create(applies_to="addresses", minutes=7)
    DailyUse.objects.add(hers, timezone.now().date(), seconds=60 * 60, tokens=1000, micros=4_100_000)
    DailyUse.objects.add(
        holder(None, {"REMOTE_ADDR": "203.0.113.7"}), timezone.now().date(), seconds=60, tokens=0, micros=0
    )
    LiveSession.objects.create(held_by=hers, seen_at=timezone.now())
    page = admin_client.get("/admin/sessions_app/quota/").text
    for said in ("1 of 2", "60 of 120", "1,000 of 1,000", "$4.10 of $5.00", "7 each", "quota-full", "quota-high"):
        assert said in page, said
    assert "Conversations are open." in page
    page = admin_client.get("/admin/sessions_app/dailyuse/").text
    assert "1 of 7" in page
    assert "60 of 120" in page
    saved = admin_client.post("/admin/sessions_app/conversationswitch/", {"stopped": "on", "sentence": "Back soon."})
    assert saved.status_code == 302
    page = admin_client.get("/admin/sessions_app/quota/").text
    assert "Conversations are stopped." in page
    assert "Back soon." in page


@pytest.mark.django_db(transaction=True)
async def test_who_is_logged_in_has_a_quota_of_his_own_at_the_websocket(gemini, client, ada, hers, settings):
    settings.QUOTA_ADDRESS = "sessions=1"
    await Quota.objects.acreate(applies_to="user", user=ada, sessions=1, tokens=1)
    await sync_to_async(client.force_login)(ada)

    def logged_in() -> Caller:
        caller = Caller()
        caller.socket.scope["headers"].append((b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
        return caller

    async with Caller() as nobody, logged_in() as first:
        await nobody.until("status", status="CONNECTING")
        await first.until("status", status="CONNECTING")
        for another in (Caller(), logged_in()):
            async with another:
                assert await another.until_closed() == 4429
                assert another.of_type("error")[-1]["code"] == "quota_sessions"
        # A socket may be open for hours before it begins.
        await sync_to_async(DailyUse.objects.add)(hers, timezone.now().date(), seconds=0, tokens=1, micros=0)
        await first.send("connect")
        assert await first.until_closed() == 4429
        assert first.of_type("error")[-1]["code"] == "quota_used_up"
        await nobody.converse()
        assert await LiveSession.objects.acount() == 2

"""Login page, log out, and what happens after too many wrong passwords."""

import re
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

pytestmark = pytest.mark.django_db

RIGHT, WRONG = "correct horse", "battery staple"


@pytest.fixture(autouse=True)
def login_mode(settings):
    settings.GEMLIVE_ACCESS = "login"


@pytest.fixture(autouse=True)
def ada():
    return get_user_model().objects.create_user("ada", password=RIGHT, is_staff=True)


def log_in(password: str, *, path: str = "/login", client: Client | None = None, name: str = "ada", **meta):
    body = {"username": name, "password": password, "next": "/?x=1"}
    return (client or Client()).post(path, body, **meta)


def is_in(answer) -> bool:
    return answer.status_code == 302


def test_a_person_is_led_to_the_login_page_and_back():
    client = Client(enforce_csrf_checks=True)
    led = client.get("/?x=1")
    assert (led.status_code, urlsplit(led.url).path) == (302, "/login")
    page = client.get(led.url)
    assert not re.search(r"<script|<style|style=| on\w+=", page.text)
    assert page.headers["content-security-policy"]
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.text))
    assert hidden["next"] == "/?x=1"
    back = client.post("/login", {**hidden, "username": "ada", "password": RIGHT})
    assert (back.status_code, back.url) == (302, "/?x=1")
    assert "Log out ada" in client.get("/").text


def test_a_wrong_password_says_what_to_do_and_keeps_where_to_go():
    page = log_in(WRONG)
    assert page.status_code == 200
    assert "correct username and password" in page.text
    assert 'name="next" value="/?x=1"' in page.text
    assert 'value="ada"' in page.text
    assert WRONG not in page.text


def test_nobody_is_led_to_another_site():
    answer = Client().post("/login", {"username": "ada", "password": RIGHT, "next": "https://evil.example/"})
    assert (answer.status_code, answer.url) == (302, "/")


def test_logging_out_takes_a_post_and_leads_to_the_login_page():
    client = Client()
    log_in(RIGHT, client=client)
    assert client.get("/logout").status_code == 405
    assert client.get("/").status_code == 200
    assert [url for url, _ in client.post("/logout", follow=True).redirect_chain] == ["/", "/login?next=/"]


def test_who_is_not_logged_in_finds_nothing_to_log_out(settings):
    settings.GEMLIVE_ACCESS = "open"
    assert "Log out" not in Client().get("/").text


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
def test_after_five_wrong_passwords_the_right_one_has_to_wait(path):
    for _ in range(4):
        assert log_in(WRONG, path=path).status_code == 200
    locked = log_in(WRONG, path=path)
    assert locked.status_code == 429
    assert "Try again in 15 minutes." in locked.text
    assert 0 < int(locked.headers["retry-after"]) <= 15 * 60
    # The other door, another browser, another process: the count stands in the database.
    for door in ("/login", "/admin/login/"):
        assert log_in(RIGHT, path=door, headers={"user-agent": "another"}).status_code == 429
    assert WRONG not in str(AccessAttempt.objects.values())


def test_time_opens_the_door_again_and_knocking_does_not_keep_it_shut():
    for _ in range(5):
        log_in(WRONG)
    before = AccessAttempt.objects.values("attempt_time", "failures_since_start").get()
    assert log_in(WRONG).status_code == 429
    assert AccessAttempt.objects.values("attempt_time", "failures_since_start").get() == before
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    assert "Try again in 1 minute." in log_in(RIGHT).text
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert is_in(log_in(RIGHT))


def test_nobody_else_is_locked_out():
    get_user_model().objects.create_user("bob", password=RIGHT)
    for _ in range(5):
        log_in(WRONG)
    assert is_in(log_in(RIGHT, name="bob"))
    assert is_in(log_in(RIGHT, REMOTE_ADDR="192.0.2.7"))


def spray(number: int, **meta) -> list[int]:
    """One wrong password for each of so many names; how it was answered."""
    return [log_in(WRONG, name=f"user-{uuid4()}", **meta).status_code for _ in range(number)]


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
def test_an_address_that_tries_many_names_has_to_wait(path, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 6
    get_user_model().objects.create_user("bob", password=RIGHT)
    assert spray(3, path=path) == [200] * 3
    assert is_in(log_in(RIGHT, name="bob", path="/login"))  # which forgets bob's wrong ones, and nobody else's
    assert spray(3, path=path) == [200, 200, 429]
    locked = log_in(RIGHT, path=path)
    assert locked.status_code == 429
    assert "Try again in 15 minutes." in locked.text
    assert is_in(log_in(RIGHT, REMOTE_ADDR="192.0.2.7"))


def test_an_address_may_go_on_when_enough_is_forgotten_and_knocking_does_not_delay_it(settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 6
    spray(6)
    assert spray(3) == [429] * 3
    now = timezone.now()
    first, *others = AccessAttempt.objects.order_by("attempt_time")
    AccessAttempt.objects.filter(pk=first.pk).update(attempt_time=now - timedelta(minutes=12))
    assert len(others) == 5
    assert "Try again in 3 minutes." in log_in(RIGHT).text
    AccessAttempt.objects.filter(pk=first.pk).update(attempt_time=now - timedelta(minutes=16))
    assert is_in(log_in(RIGHT))
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 0
    assert spray(9) == [200] * 9


def test_a_network_of_ipv6_is_one_address():
    for number in range(5):
        log_in(WRONG, REMOTE_ADDR=f"2001:db8:0:1::{number}")
    assert log_in(RIGHT, REMOTE_ADDR="2001:db8:0:1:ffff::").status_code == 429
    assert is_in(log_in(RIGHT, REMOTE_ADDR="2001:db8:0:2::1"))


def test_the_right_password_forgets_the_wrong_ones():
    for _ in range(2):
        for _ in range(4):
            log_in(WRONG)
        assert is_in(log_in(RIGHT))


def test_behind_a_proxy_it_is_the_callers_address_that_counts(settings):
    def forwarded(address: str) -> dict:
        return {"headers": {"x-forwarded-for": address}}

    for number in range(4):
        log_in(WRONG, **forwarded(f"192.0.2.{number}"))
    assert log_in(WRONG, **forwarded("192.0.2.9")).status_code == 429  # nobody's proxy: what he says does not count
    settings.TRUSTED_PROXIES = 1
    for number in range(5):
        log_in(WRONG, **forwarded(f"10.0.0.{number}, 198.51.100.1"))
    assert log_in(RIGHT, **forwarded("10.9.9.9, 198.51.100.1")).status_code == 429
    assert is_in(log_in(RIGHT, **forwarded("198.51.100.1, 198.51.100.2")))

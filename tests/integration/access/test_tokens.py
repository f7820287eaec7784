"""API tokens: made by command and in the admin, shown once, kept as hashes; revoked and expired they open nothing."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def login_mode(settings):
    settings.GEMLIVE_ACCESS = "login"


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="enter")


def tokens(*arguments: str) -> str:
    output = StringIO()
    call_command("tokens", *arguments, stdout=output, stderr=StringIO())
    return output.getvalue().strip()


def status(token: str) -> int:
    return Client(headers={"authorization": f"Token {token}"}).get("/api/tools").status_code


def test_a_token_is_made_listed_and_revoked_by_command(ada):
    token = tokens("create", "ada", "--days", "3")
    assert status(token) == 200
    kept = AuthToken.objects.get()
    assert kept.expiry - kept.created == pytest.approx(timedelta(days=3), abs=timedelta(seconds=5))
    listed = tokens("list")
    assert listed.startswith(token[:15])
    assert "ada" in listed
    assert token not in listed
    tokens("revoke", listed.split()[0])
    assert status(token) == 401


def test_only_the_hash_is_kept(ada):
    token = tokens("create", "ada")
    kept = AuthToken.objects.values().get()
    assert token not in [str(value) for value in kept.values()]
    assert kept["expiry"] - kept["created"] == pytest.approx(timedelta(days=90), abs=timedelta(seconds=5))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "nobody"), "createsuperuser"),
        (("create", "ada", "--days", "0"), "at least one day"),
        (("revoke", "abc"), "tokens list"),
        (("revoke", "0" * 15), "tokens list"),
    ],
)
def test_the_command_says_what_to_do(arguments, says, ada):
    tokens("create", "ada")
    with pytest.raises(CommandError, match=says):
        tokens(*arguments)
    assert AuthToken.objects.count() == 1


def test_a_token_that_is_none_is_answered_alike(ada):
    expired = tokens("create", "ada")
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    closed = tokens("create", "ada")
    ada.is_active = False
    ada.save()
    answers = []
    for token in (expired, closed, "0" * 64, "two words", "", "\xff"):
        answer = Client(headers={"authorization": f"Token {token}"}).get("/api/tools")
        assert answer.status_code == 401, token
        assert answer.headers["www-authenticate"] == "Token"
        answers.append(answer.json())
    assert answers == [answers[0]] * len(answers)
    assert answers[0]["code"] == "token_invalid"
    assert "tokens create" in answers[0]["detail"]


def test_a_wrong_token_is_refused_in_open_mode_too(settings):
    settings.GEMLIVE_ACCESS = "open"
    assert status("0" * 64) == 401


def test_a_token_is_no_cookie_and_needs_no_csrf_token(ada):
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Token {tokens('create', 'ada')}"})
    assert client.post("/api/sessions", content_type="application/json").status_code == 200
    assert client.get("/").status_code == 302


# --- In the admin ----------------------------------------------------------------------------------------------


def add(client, user, expiry=None) -> str | None:
    """The token that the page shows after it was made."""
    expiry = expiry or timezone.now() + timedelta(days=7)
    body = {"user": user.pk, "expiry_0": f"{expiry:%Y-%m-%d}", "expiry_1": f"{expiry:%H:%M:%S}"}
    answer = client.post("/admin/knox/authtoken/add/", body, follow=True)
    assert answer.status_code == 200
    shown = re.search(r"shown only now: ([0-9a-f]{64})", answer.text)
    return shown and shown[1]


def test_an_operator_makes_a_token_which_is_shown_once(admin_client, ada):
    assert "ada" not in admin_client.get("/admin/knox/authtoken/").text
    form = admin_client.get("/admin/knox/authtoken/add/").context["adminform"].form
    assert form.initial["expiry"] > timezone.now() + timedelta(days=89)
    token = add(admin_client, ada)
    assert status(token) == 200
    page = admin_client.get("/admin/knox/authtoken/").text
    assert token not in page
    assert token[:15] in page
    kept = AuthToken.objects.get()
    assert token not in admin_client.get(f"/admin/knox/authtoken/{kept.pk}/change/").text
    assert token not in "".join(str(value) for value in LogEntry.objects.values())
    admin_client.post(f"/admin/knox/authtoken/{kept.pk}/delete/", {"post": "yes"})
    assert status(token) == 401


def test_a_token_that_never_ends_or_has_ended_is_not_made(admin_client, ada):
    assert add(admin_client, ada, timezone.now() - timedelta(days=1)) is None
    admin_client.post("/admin/knox/authtoken/add/", {"user": ada.pk})
    assert not AuthToken.objects.exists()


def test_who_is_no_superuser_makes_tokens_for_himself_only(ada, admin_user):
    ada.is_staff = True
    ada.save()
    client = Client()
    client.force_login(ada)
    assert client.get("/admin/knox/authtoken/").status_code == 403
    ada.user_permissions.set(Permission.objects.filter(content_type__app_label="knox"))
    assert add(client, admin_user) is None
    assert not AuthToken.objects.exists()
    assert status(add(client, ada)) == 200

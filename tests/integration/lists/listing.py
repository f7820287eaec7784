"""How the tests of this folder ask for a list of sessions."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import Client

URL = "/api/sessions"
HOUR = timedelta(hours=1)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def listed(client: Client, **query: object) -> list[str]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    return [session["title"] for session in answer.json()["sessions"]]

"""How long lists and sums of 100,000 sessions take over REST, on SQLite and on PostgreSQL.

python -m tests.load.lists [100000]

Every second session is an account's; every fifth has three messages and a tool call. A figure is the best of
five requests, with everything that the server does for them.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.postgresql import postgresql

REQUESTS = 5
ACCOUNTS = 50
DAYS = 90
WORDS = ("weather", "order", "refund", "parcel", "gift card", "hours", "invoice", "Berlin", "Paris", "thanks", "quick")
GROUPS = ("day", "model", "user")
TOKENS = {"prompt.audio": 800, "prompt.text": 200, "response.audio": 450, "response.text": 50}


def fill(count: int) -> None:
    from django.contrib.auth.models import User
    from django.db.models import F
    from django.utils import timezone

    from sessions_app.models import LiveSession, TranscriptEntry
    from tools_app.models import ToolCall

    now = timezone.now()
    accounts = User.objects.bulk_create(User(username=f"user {number}") for number in range(ACCOUNTS))

    def session(number: int) -> LiveSession:
        created = now - number * timedelta(days=DAYS - 1) / count
        return LiveSession(
            title=f"Session {number}", user=accounts[number // 2 % ACCOUNTS] if number % 2 else None,
            user_label=f"guest {number % 400}" if number % 4 == 0 else "", model=f"model {number % 5}",
            status="live" if number < 100 else "paused" if number % 50 == 0 else "ended", instruction="Be brief. " * 20,
            created_at=created, connected_at=created, last_activity_at=created + timedelta(minutes=3),
            prompt_tokens=1000, response_tokens=500, total_tokens=1500, tokens_by_modality=TOKENS,
        )  # fmt: skip

    def said(session: LiveSession, number: int, sequence: int) -> TranscriptEntry:
        words = (WORDS[(number * 7 + sequence * 3 + word * (1 + number % 5)) % len(WORDS)] for word in range(12))
        return TranscriptEntry(
            session=session, sequence=sequence, role="model" if sequence == 2 else "user", text=" ".join(words),
            started_at=session.created_at, ended_at=session.created_at,
        )  # fmt: skip

    for start in range(0, count, 2000):
        made = LiveSession.objects.bulk_create(session(number) for number in range(start, min(start + 2000, count)))
        talked = list(enumerate(made))[::5]
        TranscriptEntry.objects.bulk_create(said(one, start + at, turn) for at, one in talked for turn in (1, 2, 3))
        ToolCall.objects.bulk_create(
            ToolCall(session=one, name=f"tool {at % 20}", status="ok", started_at=one.created_at) for at, one in talked
        )
    LiveSession.objects.update(updated_at=F("last_activity_at"))


def milliseconds(client: Any, path: str, query: dict[str, Any]) -> float:
    took = []
    for _ in range(REQUESTS):
        begin = time.perf_counter()
        answer = client.get(path, query, secure=True)
        took.append((time.perf_counter() - begin) * 1000)
        assert answer.status_code == 200, answer.content
    return min(took)


def main(count: int) -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.test import Client
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        fill(count)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # as its autovacuum does within minutes
            cursor.execute("VACUUM ANALYZE")
    everybody, own = Client(headers={"host": "localhost"}), Client(headers={"host": "localhost"})
    everybody.force_login(User.objects.create_superuser("auditor"))
    own.force_login(User.objects.get(username="user 7"))
    now = timezone.now()
    ever = {"since": now - timedelta(days=DAYS)}
    day = {"createdSince": now - timedelta(days=40), "createdUntil": now - timedelta(days=39)}
    lists: list[dict[str, Any]] = [
        *({"ordering": ordering} for ordering in ("-createdAt", "createdAt", "-updatedAt", "updatedAt")),
        *({"status": status} for status in ("live", "paused", "ended")),
        *({"user": user} for user in ("user 7", "guest 8", "nobody")),
        {"user": "user 7", "ordering": "-updatedAt"}, {"user": "guest 8", "ordering": "updatedAt"},
        {"model": "model 3"}, {"model": "none"}, {"tool": "tool 4"}, {"tool": "none"}, day, {"since": now}, ever,
        *({"search": words} for words in ("refund", "refund Berlin", "Session 77", "elephant")),
        {"search": "elephant", **day},
    ]  # fmt: skip
    figures = [("/api/sessions", query) for query in lists]
    figures += [("/api/usage", {"groupBy": group, **period}) for period in ({}, ever) for group in GROUPS]
    print(f"\n{count:,} sessions on {connection.vendor}; ms for everybody's, for one's own")
    for path, query in figures:
        asked = " ".join(f"{name}={str(value)[:10]}" for name, value in query.items())
        print(f"{path:14} {asked:40} {milliseconds(everybody, path, query):6.0f} {milliseconds(own, path, query):6.0f}")
    for group in GROUPS:
        total = everybody.get("/api/usage", {"groupBy": group, **ever}, secure=True).json()["total"]
        assert (total["sessions"], total["minutes"], total["toolCalls"]) == (count, 3 * count, -(-count // 5)), total
        assert total["tokens"]["byModality"] == {name: number * count for name, number in TOKENS.items()}, total


def everywhere(count: str) -> None:
    with tempfile.TemporaryDirectory(prefix="gemlive-lists-") as folder, postgresql() as server:
        for url in (f"sqlite:///{Path(folder) / 'db.sqlite3'}", server.url):
            subprocess.run([sys.executable, "-m", "tests.load.lists", count, url], check=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        everywhere(sys.argv[1] if len(sys.argv) > 1 else "100000")
    else:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "gemlive_project.settings", "DEBUG": "0", "DATABASE_URL": sys.argv[2],
            "SECRET_KEY": "bench-" + "x" * 50, "ALLOWED_HOSTS": "localhost", "REDIS_URL": "", "API_RATE_USER": "",
        }  # fmt: skip
        import django

        django.setup()
        main(int(sys.argv[1]))

"""What quotas add to the opening of a conversation, on a database as a busy day leaves it.

python -m tests.load.openings
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

OPENINGS = 300
USERS = 1000


def milliseconds(does: Callable[[], object]) -> float:
    begin = time.perf_counter()
    does()
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.db import transaction
    from django.utils import timezone

    from sessions_app import access
    from sessions_app.models import DailyUse, LiveSession, Quota
    from sessions_app.quotas import admission

    call_command("migrate", verbosity=0)
    group = Group.objects.create(name="everybody")
    users = User.objects.bulk_create(User(username=f"user {number}") for number in range(USERS))
    group.user_set.set(users)
    Quota.objects.create(applies_to="group", group=group, sessions=3, minutes=100, tokens=1_000_000, money=5)
    today = timezone.now().date()
    DailyUse.objects.bulk_create(DailyUse(holder=f"user:{user.pk}", day=today) for user in users)
    LiveSession.objects.bulk_create(
        LiveSession(user=user, held_by=f"user:{user.pk}", seen_at=timezone.now()) for user in users for _ in range(2)
    )

    def open_session(user: User, *, quotas: bool) -> None:
        holder = f"user:{user.pk}"
        with transaction.atomic():
            if quotas:
                admission.admit(holder, None)
            session = access.new_session(user)
            access.carry(session)
            if quotas:
                admission.hold(holder, session)
        if quotas:
            admission.check(holder)

    took: dict[bool, list[float]] = {False: [], True: []}
    for user in users[:OPENINGS]:  # in turn: what disturbs one disturbs the other
        for quotas in took:
            took[quotas].append(milliseconds(lambda user=user, quotas=quotas: open_session(user, quotas=quotas)))
    without, with_quotas = (statistics.median(took[quotas]) for quotas in (False, True))
    worst = sorted(took[True])[int(OPENINGS * 0.99)]
    print(
        f"\nOpening a conversation in the database: {without:.1f} ms without quotas, {with_quotas:.1f} ms with "
        f"(medians of {OPENINGS}; p99 with quotas {worst:.1f} ms)"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gemlive-openings-") as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "gemlive_project.settings", "DEBUG": "0",
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'db.sqlite3'}",
            "SECRET_KEY": "bench-" + "x" * 50, "REDIS_URL": "",
        }  # fmt: skip
        import django

        django.setup()
        main()

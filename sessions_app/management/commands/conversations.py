"""`manage.py conversations stop|start|status`: the switch of the admin, for the shell."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from sessions_app.housekeeping import lease
from sessions_app.models import LiveSession
from sessions_app.quotas.models import ConversationSwitch


class Command(BaseCommand):
    help = "Stop new conversations in every server process, allow them again, or say how it stands."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=("stop", "start", "status"))
        parser.add_argument("--now", action="store_true", help="With stop: end those that run, too, within seconds.")
        parser.add_argument("--sentence", default="", help="With stop: what callers are told.")

    def handle(self, *args: Any, what: str, now: bool, sentence: str, **options: Any) -> None:
        if what != "status":
            ConversationSwitch(stopped=what == "stop", end_running=now and what == "stop", sentence=sentence).save()
        running = LiveSession.objects.exclude(held_by="").filter(seen_at__gt=timezone.now() - lease()).count()
        self.stdout.write(f"{ConversationSwitch.current()}; {running} are carried.")

"""Everything that a fresh checkout needs before its server starts; quick when it is there already."""

import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    requires_system_checks = ()  # the server runs them
    help = "Migrate, load the demo data and, with DEBUG, make a first administrator. `make run` calls it."

    def handle(self, *args: object, **options: object) -> None:
        call_command("migrate", verbosity=0)
        call_command("load_demo")
        users = get_user_model().objects
        if settings.DEBUG and not users.filter(is_superuser=True).exists():
            password = secrets.token_urlsafe(9)
            users.create_superuser("admin", password=password)
            self.stdout.write(
                self.style.SUCCESS(f"Administrator made for /admin/: user admin, password {password}")
                + " (shown only now; change it with: python manage.py changepassword admin)"
            )

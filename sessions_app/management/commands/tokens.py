"""API tokens: made, listed, revoked."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from knox.models import AuthToken


class Command(BaseCommand):
    help = "API tokens, for the header Authorization: Token …. They carry all rights of their user until they expire."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make one, and print it: it cannot be read again")
        create.add_argument("user", help="name of the user for whom it stands")
        create.add_argument("--days", type=int, default=settings.TOKEN_DAYS, help="that it is valid")
        listing = actions.add_parser("list", help="how each begins, whose it is, and until when")
        listing.add_argument("user", nargs="?", help="of this user only")
        revoke = actions.add_parser("revoke", help="end one at once")
        revoke.add_argument("token", help="how it begins, as list has it")

    def handle(self, *, action: str, **options: str | int) -> None:
        getattr(self, action)(**{name: options[name] for name in ("user", "days", "token") if name in options})

    def create(self, *, user: str, days: int) -> None:
        if days < 1:
            raise CommandError("A token is valid for at least one day: --days 1.")
        _, token = AuthToken.objects.create(self._user(user), expiry=timedelta(days=days))
        self.stderr.write(f"A token of {user} for {days} days, shown only now:")
        self.stdout.write(token)

    def list(self, *, user: str | None) -> None:
        tokens = AuthToken.objects.select_related("user").order_by("created")
        for token in tokens.filter(user=self._user(user)) if user else tokens:
            state = "expired" if token.expiry and token.expiry <= timezone.now() else "until"
            expiry = f"{token.expiry:%Y-%m-%d %H:%M}" if token.expiry else "ever"
            self.stdout.write(f"{token.token_key}  {token.user.get_username()}  {state} {expiry}")

    def revoke(self, *, token: str) -> None:
        # All that a person may have at hand: the beginning of `list`, or the whole token.
        found = AuthToken.objects.filter(token_key=token[:15]) if len(token) >= 15 else AuthToken.objects.none()
        count, _ = found.delete()
        if not count:
            raise CommandError(f"No token begins with {token[:15]!r}. manage.py tokens list names them.")
        self.stdout.write("Revoked.")

    def _user(self, name: str):
        users = get_user_model()
        try:
            return users._default_manager.get_by_natural_key(name)
        except users.DoesNotExist:
            raise CommandError(f"There is no user called {name!r}. manage.py createsuperuser makes one.") from None

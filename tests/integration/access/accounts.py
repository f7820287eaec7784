"""Server processes that know a user, and tokens of theirs."""

from tests.server import Server


def make_user(server: Server, name: str = "ada", password: str = "enter") -> None:
    server.environment["DJANGO_SUPERUSER_PASSWORD"] = password
    server.manage("createsuperuser", "--noinput", f"--username={name}", f"--email={name}@example.com")


def make_token(server: Server, name: str = "ada") -> dict[str, str]:
    """The header that stands for a user."""
    return {"Authorization": f"Token {server.manage('tokens', 'create', name).strip()}"}

"""The development server: Daphne's, on PORT, with the emulator of Gemini Live beside it when there is no key."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from daphne.management.commands.runserver import Command as DaphneRunserver
from django.conf import settings
from django.core.management.base import CommandError
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV


class Command(DaphneRunserver):
    help = "Start the development server, and the emulator of Gemini Live when GEMINI_API_KEY is not set."
    default_port = str(settings.PORT)

    def run(self, **options: Any) -> None:
        # The reloader's parent keeps the emulator, so that it lives on while the server restarts.
        if not settings.GEMINI_EMULATED or os.environ.get(DJANGO_AUTORELOAD_ENV) == "true":
            super().run(**options)
            return
        with emulator() as ready:
            self.stdout.write(
                self.style.WARNING("GEMINI_API_KEY is not set: an emulator answers instead of Gemini Live.")
                + f"\n{ready}. It understands phrases such as those on the page.\n"
                "To talk with Gemini, set GEMINI_API_KEY in .env or in the environment.\n"
            )
            super().run(**options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        host = "localhost" if self.addr in ("127.0.0.1", "0.0.0.0", "::1", "::") else self.addr  # noqa: S104
        self.stdout.write(
            self.style.SUCCESS(f"Talk at http://{host}:{self.port}/ · look at http://{host}:{self.port}/admin/")
        )
        super().inner_run(*args, **options)


@contextmanager
def emulator() -> Iterator[str]:
    """The emulator, in a process of its own, for as long as this block runs. Yields what it says when it is ready.

    Raises:
        CommandError: it does not start, with its own words.
    """
    command = [
        sys.executable, "-m", "sessions_app.emulator", "--port", str(settings.EMULATOR_PORT),
        "--ca-out", settings.GEMINI_CA_FILE, "--script", str(settings.EMULATOR_SCRIPT), "--stop-with-stdin",
        # As Gemini does: a reply is over, and can no longer be interrupted, when it has been heard.
        "--playback-gap", "20",
    ]  # fmt: skip
    # It ends with its stdin, so even when this process is killed it does not stay behind.
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    try:
        ready = process.stdout.readline().strip()
        if not ready:
            raise CommandError(
                f"The emulator of Gemini Live did not start (see above). Is port {settings.EMULATOR_PORT} in use? "
                "Choose another one with EMULATOR_PORT, or set GEMINI_API_KEY."
            )
        yield ready
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(10)

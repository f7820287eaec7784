"""Run the emulator of Gemini Live beside the server."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand

from sessions_app.emulator.__main__ import add_arguments, run


class Command(BaseCommand):
    """The same program and options as `python -m sessions_app.emulator`."""

    help = "Run the emulator of Gemini Live, which any google-genai program can talk to without a key."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if status := run(argparse.Namespace(**options)):
            sys.exit(status)

"""Run the emulator of Gemini Live beside the server."""

import argparse
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from sessions_app.emulator.__main__ import add_arguments, run


class Command(BaseCommand):
    """`python -m sessions_app.emulator`; without a key, its defaults are those that this project's server dials."""

    help = "Run the emulator of Gemini Live, which any google-genai program can talk to without a key."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_arguments(parser)
        if settings.GEMINI_EMULATED:
            # Where this project's server looks for it.
            parser.set_defaults(
                port=settings.EMULATOR_PORT,
                ca_out=settings.GEMINI_CA_FILE,
                script=str(settings.EMULATOR_SCRIPT),
                playback_gap=20.0,
            )

    def handle(self, *args: Any, **options: Any) -> None:
        if status := run(argparse.Namespace(**options)):
            sys.exit(status)

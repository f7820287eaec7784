"""Programs that tests need and that pip cannot install."""

import os
import shutil
from pathlib import Path

import pytest


def require_program(name: str, path: str | Path | None) -> str:
    """Return the program's path; without one skip the test with a sentence, or fail it where `CI=true`.

    Args:
        name: what the person should install, such as "Chromium".
        path: where it was found, or the command to look for on the PATH, or None.
    """
    found = shutil.which(str(path)) if path else None
    if found:
        return found
    sentence = f"This test needs {name}, which is not installed."
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{sentence} In CI nothing may be skipped: install it in .ci/run.", pytrace=False)
    pytest.skip(sentence)

"""Programs that tests need and that pip cannot install."""

import importlib.util
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


def require_package(module: str, requirements: str) -> None:
    """Skip the test with a sentence if an optional package is not installed, or fail it where `CI=true`."""
    if importlib.util.find_spec(module) is None:
        sentence = f"This test needs the optional package {module}: pip install -r {requirements}."
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{sentence} In CI nothing may be skipped: install it in .ci/run.", pytrace=False)
        pytest.skip(sentence)

"""Finds the tools of all installed apps. One that is declared wrongly is left out, and a system check tells of it."""

import importlib
import logging
import traceback
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from .exceptions import ToolDefinitionError
from .registry import registry

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Problem:
    """A wrong declaration: the file and line where it stands, and a sentence that says what to mend."""

    place: str
    sentence: str


problems: list[Problem] = []


def discover() -> None:
    """Import every app's `tools` module, as Django's `autodiscover_modules("tools")` does."""
    with registry.collecting(lambda error, place: problems.append(Problem(place, str(error)))):
        for app in apps.get_app_configs():
            if module_has_submodule(app.module, "tools"):
                _import(f"{app.name}.tools")
    for problem in problems:
        # A server that runs no system checks has to say it, too.
        logger.error("A tool is left out. %s: %s", problem.place, problem.sentence)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ToolDefinitionError as error:
        # A ToolDefinition(…) made by hand: the rest of its module is not there either.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else module
        problems.append(Problem(place, str(error)))


def _is_theirs(filename: str) -> bool:
    return Path(filename).parent != HERE and not filename.startswith("<") and "importlib" not in filename

"""The project's own settings, with tools that take their time and leave traces."""

from gemlive_project.settings import *  # noqa: F403
from gemlive_project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.reliability.app"]

"""The project's own settings, and one app more."""

from gemlive_project.settings import *  # noqa: F403
from gemlive_project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.load.soak_app"]

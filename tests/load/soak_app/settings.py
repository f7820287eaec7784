"""The project's own settings, open to everybody, and one app more."""

from tests.open_settings import *  # noqa: F403
from tests.open_settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.load.soak_app"]

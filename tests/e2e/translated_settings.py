"""The project's settings with translations from a folder of the test's own."""

import os

from gemlive_project.settings import *  # noqa: F403

LOCALE_PATHS = [os.environ["TEST_LOCALE_PATH"]]

"""The project's own settings, open to everybody; what collectstatic collects lies in a folder of the test's own."""

import os
from pathlib import Path

from tests.open_settings import *  # noqa: F403

STATIC_ROOT = Path(os.environ["TEST_STATIC_ROOT"])

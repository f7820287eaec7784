"""The project's own settings without DEBUG, and open to everybody: for what is not about accounts."""

from gemlive_project.settings import *  # noqa: F403

GEMLIVE_ACCESS = "open"
SILENCED_SYSTEM_CHECKS = ["gemlive.E007"]

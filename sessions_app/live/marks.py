"""Push-to-talk's marks."""

from ..browser.commands import CommandError


class Marks:
    """`activity_start` and `activity_end`: told to Gemini in pairs, and only where it does not listen by itself.

    A mark where Gemini listens by itself ends the connection, and so does one without its other half on some models.
    Source: `RealtimeInputConfig.automaticActivityDetection` of https://ai.google.dev/api/live.
    """

    def __init__(self, *, manual: bool = False):
        self.manual = manual
        self.is_open = False
        """Somebody holds the button."""

    def start(self) -> bool:
        """Whether Gemini has to be told that somebody speaks. Raises CommandError where it listens by itself."""
        return self._set(True)

    def end(self) -> bool:
        """Whether Gemini has to be told that somebody has spoken. Raises CommandError where it listens by itself."""
        return self._set(False)

    def _set(self, is_open: bool) -> bool:
        if not self.manual:
            raise CommandError(
                "not_manual",
                'This conversation listens by itself. For push-to-talk connect with {"activityDetection": "manual"}.',
            )
        changed, self.is_open = is_open != self.is_open, is_open
        return changed

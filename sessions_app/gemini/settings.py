"""Settings that only some models of Gemini Live take: their names, types and limits, once for REST, WebSocket and wire.

Which model takes which stands in models.py.
"""

from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

THINKING_LEVELS = ("minimal", "low", "medium", "high")


class ModelSettings(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What a session asks of its model; None leaves it to the model. Unknown fields are ignored.

    Source: `GenerationConfig`, `ProactivityConfig` and `RealtimeInputConfig` of https://ai.google.dev/api/live. The
    descriptions end the sentence that refuses a wrong value: "thinkingLevel is …".
    """

    thinking_level: (
        Annotated[
            str,
            Meta(pattern=rf"(?i)^({'|'.join(THINKING_LEVELS)})\Z", description=f"one of {', '.join(THINKING_LEVELS)}"),
        ]
        | None
    ) = None
    """How much the model thinks before it answers; upper or lower case."""
    thinking_budget: Annotated[int, Meta(ge=-1, lt=2**31, description="a whole number of tokens, or -1")] | None = None
    """Tokens of thinking at most; 0 switches it off, -1 leaves the amount to the model."""
    affective_dialog: Annotated[bool, Meta(description="true or false")] | None = None
    """Hears the mood of the speaker, and answers in kind."""
    proactive_audio: Annotated[bool, Meta(description="true or false")] | None = None
    """Keeps silent when it is not spoken to."""
    temperature: Annotated[float, Meta(ge=0, le=2, description="a number from 0 to 2")] | None = None
    activity_detection: Annotated[Literal["automatic", "manual"], Meta(description="automatic or manual")] | None = None
    """"manual": the page marks speech itself (push-to-talk); otherwise Gemini listens for it."""

    def over(self, defaults: "ModelSettings") -> "ModelSettings":
        """These settings, and those of `defaults` where these say nothing. A budget replaces a level, too."""
        if self.thinking_level is not None or self.thinking_budget is not None:
            defaults = msgspec.structs.replace(defaults, thinking_level=None, thinking_budget=None)
        names = ModelSettings.__struct_fields__
        mine = {name: getattr(self, name) for name in names}
        return ModelSettings(
            **{name: getattr(defaults, name) if value is None else value for name, value in mine.items()}
        )

    def given(self) -> dict[str, Any]:
        """What is not left to the model, by its name on the wire ("thinkingLevel"), as JSON has it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def read(cls, given: Any) -> Self:
        """The opposite of `given`.

        Raises:
            WrongSetting: a value of another type, or beyond its limits.
        """
        try:
            return msgspec.convert(given, cls)
        except msgspec.ValidationError as error:
            raise WrongSetting(_sentence(error)) from None


class WrongSetting(ValueError):
    """A setting has a value that no model takes; the message says what it may be."""


_PROPERTIES = msgspec.json.schema_components([ModelSettings])[1]["ModelSettings"]["properties"]
NAMES = tuple(_PROPERTIES)
"""Every setting, by its name on the wire."""
SCHEMAS: dict[str, dict[str, Any]] = {name: _PROPERTIES[name]["anyOf"][0] for name in NAMES}
"""Each setting's type and limits, as JSON schema."""


def _sentence(error: msgspec.ValidationError) -> str:
    name = str(error).rpartition("`$.")[2].rstrip("`")
    if name not in _PROPERTIES:
        return f"These settings cannot be read: {error}."
    return f"{name} is {SCHEMAS[name]['description']}."

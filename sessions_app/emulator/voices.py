"""Gemini's voices and languages, as espeak-ng can speak them.

Names and characters: https://ai.google.dev/gemini-api/docs/speech-generation#voices
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """An espeak-ng variant, its pitch (0 to 99) and its pace (1 is the usual)."""

    variant: str
    pitch: int = 50
    pace: float = 1.0


VOICES = {
    "Zephyr": Voice("f5"), "Puck": Voice("m3", 55, 1.05), "Charon": Voice("m1", 40), "Kore": Voice("f2"),
    "Fenrir": Voice("m7", 55, 1.1), "Leda": Voice("f4", 60), "Orus": Voice("m2", 45), "Aoede": Voice("f3"),
    "Callirrhoe": Voice("f1", 45, 0.95), "Autonoe": Voice("f5", 60), "Enceladus": Voice("m4", 35, 0.95),
    "Iapetus": Voice("m3", 45), "Umbriel": Voice("m2", 50, 0.92), "Algieba": Voice("m5", 45),
    "Despina": Voice("f2", 45, 0.95), "Erinome": Voice("f3", 55), "Algenib": Voice("m8", 30),
    "Rasalgethi": Voice("m6", 45), "Laomedeia": Voice("f1", 60, 1.06), "Achernar": Voice("f4", 45, 0.93),
    "Alnilam": Voice("m6", 38), "Schedar": Voice("m1", 50), "Gacrux": Voice("f2", 32),
    "Pulcherrima": Voice("f3", 62, 1.05),
    "Achird": Voice("m5", 55), "Zubenelgenubi": Voice("m4", 48), "Vindemiatrix": Voice("f1", 40, 0.92),
    "Sadachbia": Voice("m7", 48, 1.05), "Sadaltager": Voice("m2", 38), "Sulafat": Voice("f4", 40),
}  # fmt: skip

# Where espeak-ng calls a language otherwise than BCP 47 does, or has a dialect of its own.
_LANGUAGES = {
    "en": "en-us", "en-us": "en-us", "en-gb": "en", "en-in": "en", "en-au": "en", "en-nz": "en", "es-us": "es-419",
    "es-mx": "es-419", "fr": "fr-fr", "zh": "cmn", "no": "nb", "fil": "id",
}  # fmt: skip


def espeak_language(code: str) -> list[str]:
    """espeak-ng's names to try for a BCP 47 code, best first and English last: "de-DE" → ["de-de", "de", "en-us"]."""
    full = code.lower()
    tries = [_LANGUAGES.get(full, full), _LANGUAGES.get(full.partition("-")[0], ""), full.partition("-")[0], "en-us"]
    return list(dict.fromkeys(name for name in tries if name))

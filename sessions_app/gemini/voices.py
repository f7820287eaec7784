"""Gemini's voices and languages, for people who choose one.

Sources: https://ai.google.dev/gemini-api/docs/speech-generation#voices and the Live API's guide to capabilities
(https://ai.google.dev/gemini-api/docs/live-guide#supported-languages). Gemini itself decides what it takes: a voice or
a language that is not here is refused nowhere.
"""

VOICES = {
    "Zephyr": "Bright", "Puck": "Upbeat", "Charon": "Informative", "Kore": "Firm", "Fenrir": "Excitable",
    "Leda": "Youthful", "Orus": "Firm", "Aoede": "Breezy", "Callirrhoe": "Easy-going", "Autonoe": "Bright",
    "Enceladus": "Breathy", "Iapetus": "Clear", "Umbriel": "Easy-going", "Algieba": "Smooth", "Despina": "Smooth",
    "Erinome": "Clear", "Algenib": "Gravelly", "Rasalgethi": "Informative", "Laomedeia": "Upbeat", "Achernar": "Soft",
    "Alnilam": "Firm", "Schedar": "Even", "Gacrux": "Mature", "Pulcherrima": "Forward", "Achird": "Friendly",
    "Zubenelgenubi": "Casual", "Vindemiatrix": "Gentle", "Sadachbia": "Lively", "Sadaltager": "Knowledgeable",
    "Sulafat": "Warm",
}  # fmt: skip
"""A voice's name and its character, in Google's order."""

LANGUAGES = {
    "ar-XA": "Arabic", "bn-IN": "Bengali (India)", "cmn-CN": "Chinese (Mandarin)", "nl-NL": "Dutch (Netherlands)",
    "en-AU": "English (Australia)", "en-IN": "English (India)", "en-GB": "English (UK)", "en-US": "English (US)",
    "fr-CA": "French (Canada)", "fr-FR": "French (France)", "de-DE": "German (Germany)", "gu-IN": "Gujarati (India)",
    "hi-IN": "Hindi (India)", "id-ID": "Indonesian (Indonesia)", "it-IT": "Italian (Italy)",
    "ja-JP": "Japanese (Japan)", "kn-IN": "Kannada (India)", "ko-KR": "Korean (South Korea)",
    "ml-IN": "Malayalam (India)", "mr-IN": "Marathi (India)", "pl-PL": "Polish (Poland)",
    "pt-BR": "Portuguese (Brazil)", "ru-RU": "Russian (Russia)", "es-ES": "Spanish (Spain)", "es-US": "Spanish (US)",
    "ta-IN": "Tamil (India)", "te-IN": "Telugu (India)", "th-TH": "Thai (Thailand)", "tr-TR": "Turkish (Turkey)",
    "vi-VN": "Vietnamese (Vietnam)",
}  # fmt: skip
"""BCP 47 code and English name, by name."""

"""Gemini Live as its wire shows it. No policy, no Django: what to do with it is decided in `live`."""

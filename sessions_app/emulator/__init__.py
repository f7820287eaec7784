"""A Gemini Live that runs here: speaks the wire of `BidiGenerateContent` to any google-genai program.

It stands alone: it imports nothing of this project's other rooms, and no Django. See docs/emulator.md.
"""

from .server import Emulator, emulator_in_thread
from .session import Session

__all__ = ["Emulator", "Session", "emulator_in_thread"]

"""A Gemini Live that runs here: speaks the wire of `BidiGenerateContent` to any google-genai program.

It stands alone: it imports nothing of this project's other rooms, and no Django. See docs/emulator.md.
"""

from .clock import Clock
from .faults import Fault
from .recording import Frame
from .script import Script
from .server import Emulator
from .session import Session
from .threaded import emulator_in_thread

__all__ = ["Clock", "Emulator", "Fault", "Frame", "Script", "Session", "emulator_in_thread"]

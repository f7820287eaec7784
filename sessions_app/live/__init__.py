"""One conversation: browser to Gemini and back, with tools beside it. No Django."""

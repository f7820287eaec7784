"""Pages for people."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from . import wiring


@require_safe
def voice(request: HttpRequest) -> HttpResponse:
    """The voice page. `phrases` are what the emulator understands; none when Gemini answers."""
    return render(request, "voice.html", {"backend": wiring.backend_kind(), "phrases": wiring.phrases() or []})

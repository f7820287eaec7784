"""Pages for people."""

from django.conf import settings
from django.contrib.auth.decorators import user_passes_test
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page, require_safe
from django.views.i18n import JavaScriptCatalog

from . import access, wiring
from .options import options

# Our own sentences without the admin's, which would be most of it; the browser asks whether it has changed.
javascript_catalog = gzip_page(conditional_page(JavaScriptCatalog.as_view(packages=["sessions_app"])))


@require_safe
@user_passes_test(access.may_enter)
def voice(request: HttpRequest) -> HttpResponse:
    """The voice page. `phrases` are what the emulator understands; none when Gemini answers.

    `modules` are the static paths of what js/app.js imports, for the browser to load all of them at once.
    """
    context = {
        "backend": wiring.backend_kind(),
        "phrases": wiring.phrases() or [],
        "options": options(request),
        "modules": _modules(),
        "account": _account(request),
    }
    return render(request, "voice.html", context)


def _account(request: HttpRequest) -> str:
    """Who is logged in; nobody while the database is away, which does not keep the page from whoever may see it."""
    try:
        return request.user.get_username()
    except DatabaseError:
        return ""


def _modules() -> list[str]:
    folder = settings.BASE_DIR / "static"
    found = (path.relative_to(folder) for path in (folder / "js").rglob("*.js"))
    return sorted(path.as_posix() for path in found if path.parts[1] not in ("app.js", "worklets"))


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it by this name wherever a page names no other, such as in the admin."""
    return redirect(static("img/icon.svg"))

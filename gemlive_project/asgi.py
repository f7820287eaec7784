"""HTTP to Django; WebSockets, from known origins, to the consumers. For uvicorn and Daphne alike."""

import gc
import os
import sys

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gemlive_project.settings")
django_application = get_asgi_application()

# Threads write rows and run tools beside the voices' event loop, which shall not wait 5 ms for each of them.
sys.setswitchinterval(0.0005)

# Only now that the apps are ready may their modules be imported.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator, WebsocketDenier  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management.base import BaseCommand  # noqa: E402

from sessions_app.routing import websocket_urlpatterns  # noqa: E402

if not settings.DEBUG:
    # uvicorn and Daphne run no system checks: a wrong setup fails here, at start-up, and says what to mend.
    BaseCommand().check()


class ExactOriginValidator(OriginValidator):
    """Scheme, host and port must be one of the allowed origins; a missing or unreadable Origin is refused (403)."""

    async def __call__(self, scope, receive, send):
        origins = [value for name, value in scope.get("headers", []) if name == b"origin"]
        # Channels would parse it, and raise for some ("http://[").
        if len(origins) == 1 and origins[0].decode("latin-1").lower() in self.allowed_origins:
            return await self.application(scope, receive, send)
        return await WebsocketDenier()(scope, receive, send)


class SessionUser:
    """Django's session and user in the scope, and the server's own `send`.

    The one of Channels' session middleware looks into the session at every message: 3 % of a voice's CPU.
    """

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        async def with_own_send(scope, receive, _):
            await self.inner(scope, receive, send)

        await AuthMiddlewareStack(with_own_send)(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": ExactOriginValidator(
            SessionUser(URLRouter(websocket_urlpatterns)),
            {origin.rstrip("/").lower() for origin in settings.ALLOWED_ORIGINS},
        ),
    }
)

# What is imported stays for ever: the collector need not look at it again and again, 0.1 s each time, while all voices
# wait (https://docs.python.org/3/library/gc.html#gc.freeze).
gc.collect()
gc.freeze()

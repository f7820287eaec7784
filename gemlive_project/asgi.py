"""HTTP to Django; WebSockets, from known origins or with a ticket, to the consumers. For uvicorn and Daphne alike."""

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
from django.conf import settings  # noqa: E402
from django.core.management.base import BaseCommand  # noqa: E402

from gemlive_project import on_daphne  # noqa: E402
from gemlive_project.body_limits import BodyLimits  # noqa: E402
from sessions_app import logs  # noqa: E402
from sessions_app.access.websocket import OriginOrTicket  # noqa: E402
from sessions_app.connection_limits import ConnectionLimits  # noqa: E402
from sessions_app.routing import websocket_urlpatterns  # noqa: E402

logs.adopt_servers()
on_daphne.bound_bodies()

if not settings.DEBUG:
    # uvicorn and Daphne run no system checks: a wrong setup fails here, at start-up, and says what to mend.
    BaseCommand().check()


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
        "http": BodyLimits(django_application),
        "websocket": on_daphne.FlowControl(
            ConnectionLimits(
                OriginOrTicket(URLRouter(websocket_urlpatterns), settings.ALLOWED_ORIGINS, with_cookies=SessionUser)
            )
        ),
    }
)

# What is imported stays for ever: the collector need not look at it again and again, 0.1 s each time, while all voices
# wait (https://docs.python.org/3/library/gc.html#gc.freeze).
gc.collect()
gc.freeze()

from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from .consumers import VoiceConsumer

websocket_urlpatterns = [
    path("ws", VoiceConsumer.as_asgi()),
    # Where the seed's TypeScript server has it.
    path("", VoiceConsumer.as_asgi()),
    # Anything else is refused (403) without a traceback.
    re_path("", WebsocketDenier.as_asgi()),
]

"""Login page, and REST for those who connect without the page."""

from django.contrib.auth import views as auth_views
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ..quotas import admission
from ..quotas.holders import holder
from . import ephemeral, tickets
from .sessions import session_to_open

login = auth_views.LoginView.as_view(redirect_authenticated_user=True)
# To the voice page, which sends on whoever has to log in.
logout = auth_views.LogoutView.as_view(next_page="voice")


INVITATION = inline_serializer("Invitation", {"wsUrl": serializers.CharField(), "ticket": serializers.CharField()})


class SessionTicket(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("session_id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
        request=None,
        responses={200: INVITATION},
    )
    def post(self, request: Request, session_id: str) -> Response:
        """Another ticket, to come back to a session: `{"wsUrl", "ticket"}`."""
        return Response(tickets.invitation(request, session_to_open(session_id, request.user)))


class EphemeralTokenSerializer(serializers.Serializer):
    sessionId = serializers.UUIDField()
    minutes = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="How long the conversation may last, which counts at once; else 15, or what is left of today's.",
    )

    def validate_minutes(self, minutes: int) -> int:
        if minutes > (most := ephemeral.longest()):
            raise serializers.ValidationError(f"A conversation lasts at most {most} minutes here. Ask for fewer.")
        return minutes


EPHEMERAL_TOKEN = inline_serializer(
    "CreatedEphemeralToken",
    {
        **{name: serializers.CharField() for name in ("token", "model", "apiVersion", "url")},
        **{name: serializers.DateTimeField() for name in ("expireTime", "newSessionExpireTime")},
    },
)


class EphemeralTokens(APIView):
    @extend_schema(request=EphemeralTokenSerializer, responses={200: EPHEMERAL_TOKEN})
    def post(self, request: Request) -> Response:
        """A token with which a client holds the session's conversation with Gemini itself.

        Its minutes count in the caller's quota at once, whether they are used or not: this server does not see them.
        """
        body = EphemeralTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        session = session_to_open(str(body.validated_data["sessionId"]), request.user)
        whose = holder(request.user, request.META)
        admission.check_before(whose)
        with admission.minutes_ahead(whose, body.validated_data.get("minutes"), most=ephemeral.longest()) as minutes:
            return Response(ephemeral.create(session, minutes))

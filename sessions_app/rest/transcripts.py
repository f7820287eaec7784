"""What was said in one session, from its beginning."""

from drf_spectacular.utils import extend_schema
from rest_framework.fields import IntegerField
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import access
from .filters import TranscriptFilters
from .pagination import Pages
from .serializers import TranscriptEntrySerializer, page_of
from .sessions import SESSION_ID

SEQUENCE = IntegerField(min_value=0, max_value=2**31 - 1)


class Transcript(APIView):
    @extend_schema(
        parameters=[SESSION_ID, TranscriptFilters], responses=page_of("transcript", TranscriptEntrySerializer)
    )
    def get(self, request: Request, session_id: str) -> Response:
        """The transcript of a session in its order, in pages."""
        entries = TranscriptFilters.read(request).of(access.find_session(session_id, request.user).transcript.all())
        return Pages("transcript", ("sequence",), SEQUENCE).answer(entries, request, TranscriptEntrySerializer)

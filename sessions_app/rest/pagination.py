"""Lists in pages: a cursor says where one ends, so that rows that come in while somebody reads shift nothing."""

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.fields import DateTimeField, Field
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

LONGEST = 200


class Pages(CursorPagination):
    """By the first field of `ordering`, of which `position` reads a value; `name` is the list's in the answer.

    Among rows of the same value Django REST framework is exact forwards only.
    """

    page_size = 50
    page_size_query_param = "limit"
    offset_cutoff = 1_000_000  # of one value: a sweep may change very many sessions in the same moment

    def __init__(self, name: str, ordering: tuple[str, ...], position: Field | None = None):
        self.name = name
        self.ordering = ordering
        self._position = position or DateTimeField()

    def answer(self, rows: QuerySet, request: Request, serializer: type[BaseSerializer]) -> Response:
        """The page that the request asks for."""
        page = self.paginate_queryset(rows, request)
        data = serializer(page, many=True).data
        return Response({self.name: data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Raises ValidationError also for a position that is no such value, which would fail in the database."""
        try:
            cursor = super().decode_cursor(request)
            if cursor and cursor.position is not None:
                cursor = cursor._replace(position=str(self._position.run_validation(cursor.position)))
            return cursor
        except (NotFound, ValidationError):
            raise ValidationError({"cursor": ["Take it from next or previous of an earlier answer."]}) from None

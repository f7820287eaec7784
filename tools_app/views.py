"""REST about tools."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .registry import all_tools
from .serializers import ToolSerializer


class ToolListView(APIView):
    """`GET /api/tools` → `{"tools": [{"name", "description", "parameters"}]}`."""

    def get(self, request: Request) -> Response:
        declarations = [tool.declaration() for tool in all_tools(wait=True)]
        return Response({"tools": ToolSerializer(declarations, many=True).data})

from django.urls import path

from .views import ToolCallView, ToolListView

urlpatterns = [
    path("tools", ToolListView.as_view(), name="tools"),
    path("tools/<str:name>/call", ToolCallView.as_view(), name="tool-call"),
]

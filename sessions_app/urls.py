from django.urls import path, re_path

from . import pages, views

urlpatterns = [
    path("", pages.voice, name="voice"),
    path("api/sessions", views.Sessions.as_view(), name="sessions"),
    path("api/sessions/<str:session_id>", views.Session.as_view(), name="session"),
    path("api/tool-calls", views.ToolCalls.as_view(), name="tool-calls"),
    re_path("^api/", views.unknown),
]

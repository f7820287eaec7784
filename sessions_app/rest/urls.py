"""Below /api/, after tools_app's."""

from django.urls import path, re_path

from . import errors, export, schema, sessions, tool_calls, transcripts, usage

urlpatterns = [
    path("sessions", sessions.Sessions.as_view(), name="sessions"),
    path("sessions/<str:session_id>", sessions.Session.as_view(), name="session"),
    path("sessions/<str:session_id>/transcript", transcripts.Transcript.as_view(), name="transcript"),
    path("sessions/<str:session_id>/export", export.Export.as_view(), name="export"),
    path("tool-calls", tool_calls.ToolCalls.as_view(), name="tool-calls"),
    path("usage", usage.Usage.as_view(), name="usage"),
    path("schema", schema.Schema.as_view(), name="schema"),
    path("docs", schema.docs, name="api-docs"),
    re_path("^", errors.unknown),
]

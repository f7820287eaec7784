from django.urls import path, re_path

from . import pages, views

urlpatterns = [
    path("", pages.voice, name="voice"),
    path("api/sessions", views.Sessions.as_view(), name="sessions"),
    path("api/sessions/<str:session_id>", views.Session.as_view(), name="session"),
    re_path("^api/", views.unknown),
]

from django.urls import include, path

from . import pages

urlpatterns = [
    path("", pages.voice, name="voice"),
    path("jsi18n", pages.javascript_catalog, name="javascript-catalog"),
    path("favicon.ico", pages.favicon),
    path("api/", include("sessions_app.rest.urls")),
]

from django.contrib import admin
from django.urls import include, path

from .health import health
from .metrics_view import metrics_for_staff

admin.site.site_header = admin.site.site_title = "Voice conversations"
admin.site.index_title = "What was said, what was called, what is known"

urlpatterns = [
    path("health", health),
    path("metrics", metrics_for_staff),
    path("api/", include("tools_app.urls")),
    path("admin/", admin.site.urls),
    path("", include("sessions_app.access.urls")),
    path("", include("sessions_app.urls")),
]

handler400 = "sessions_app.rest.errors.bad_request"
handler500 = "sessions_app.rest.errors.server_error"

from django.contrib import admin
from django.urls import include, path

from .health import health

admin.site.site_header = admin.site.site_title = "Voice conversations"
admin.site.index_title = "What was said, what was called, what is known"

urlpatterns = [
    path("health", health),
    path("api/", include("tools_app.urls")),
    path("admin/", admin.site.urls),
    path("", include("sessions_app.urls")),
]

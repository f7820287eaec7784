from django.contrib import admin
from django.urls import include, path

from .health import health

urlpatterns = [
    path("health", health),
    path("api/", include("tools_app.urls")),
    path("admin/", admin.site.urls),
    path("", include("sessions_app.urls")),
]

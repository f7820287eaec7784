from django.urls import path

from . import views

urlpatterns = [
    path("login", views.login, name="login"),
    path("logout", views.logout, name="logout"),
    path("api/sessions/<str:session_id>/ticket", views.SessionTicket.as_view(), name="session-ticket"),
    path("api/ephemeral-tokens", views.EphemeralTokens.as_view(), name="ephemeral-tokens"),
]

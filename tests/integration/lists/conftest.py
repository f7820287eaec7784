import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from .listing import logged_in


@pytest.fixture
def auditor() -> Client:
    """Staff that may view every session."""
    user = User.objects.create_user("auditor", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_livesession"))
    return logged_in(user)

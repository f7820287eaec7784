"""What `make run` does before the server starts."""

import re
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from tools_app.models import KnowledgeDocument

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(settings, tmp_path):
    settings.DEMO_DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "shop.sqlite3")}


def prepare() -> str:
    output = StringIO()
    call_command("prepare", stdout=output)
    return output.getvalue()


def test_the_first_administrators_password_is_printed_once_and_works(settings):
    settings.DEBUG = True
    user, password = re.search(r"user (\S+), password (\S+)", prepare()).groups()
    assert get_user_model().objects.get(username=user, is_superuser=True).check_password(password)
    assert "password" not in prepare()
    assert get_user_model().objects.count() == 1


def test_no_administrator_is_made_for_a_server_that_others_reach(settings):
    settings.DEBUG = False
    assert "password" not in prepare()
    assert get_user_model().objects.count() == 0


def test_the_demo_data_is_there_afterwards_and_made_once(tmp_path):
    prepare()
    made = (tmp_path / "shop.sqlite3").stat().st_mtime_ns
    documents = KnowledgeDocument.objects.count()
    assert documents > 5
    prepare()
    assert (tmp_path / "shop.sqlite3").stat().st_mtime_ns == made
    assert KnowledgeDocument.objects.count() == documents

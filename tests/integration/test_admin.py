"""What an operator sees, and what he cannot change."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from sessions_app.models import LiveSession, TranscriptEntry
from tools_app.models import ToolCall

pytestmark = pytest.mark.django_db
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def session():
    now = timezone.now()
    session = LiveSession.objects.create(user_label=f"ada {HOSTILE}", status="ended", connected_at=now, ended_at=now)
    for number, (role, text) in enumerate([("user", f"what's the weather {HOSTILE}"), ("model", "Sunny.")], start=1):
        TranscriptEntry.objects.create(
            session=session,
            sequence=number,
            role=role,
            text=text,
            started_at=now,
            ended_at=now,
            interrupted=role == "model",
        )
    ToolCall.objects.create(
        session=session, call_id="c1", name="get_weather", arguments={"location": HOSTILE}, status="error",
        error=f"No such place {HOSTILE}", started_at=now, duration_ms=12,
    )  # fmt: skip
    return session


@pytest.fixture
def pages(session):
    call = session.tool_calls.get()
    return [
        "/admin/",
        "/admin/sessions_app/livesession/",
        "/admin/sessions_app/livesession/?q=weather",
        f"/admin/sessions_app/livesession/?q={session.pk}",
        "/admin/sessions_app/livesession/?status__exact=ended&tool_calls__name=get_weather",
        f"/admin/sessions_app/livesession/{session.pk}/change/",
        "/admin/tools_app/toolcall/",
        "/admin/tools_app/toolcall/?name=get_weather&status__exact=error",
        f"/admin/tools_app/toolcall/{call.pk}/change/",
        "/admin/tools_app/knowledgedocument/",
    ]


def test_every_page_opens_and_shows_nothing_unescaped(admin_client, pages):
    for page in pages:
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        assert HOSTILE not in answer.content.decode(), page


def test_the_list_says_what_each_was_about(admin_client, session):
    """The title; without one what was asked first."""
    assert "what&#x27;s the weather" in admin_client.get("/admin/sessions_app/livesession/").content.decode()
    LiveSession.objects.update(title="<Rome>")
    text = admin_client.get("/admin/sessions_app/livesession/?q=rome").content.decode()
    assert "&lt;Rome&gt;" in text
    assert "the weather" not in text


def test_it_shows_how_much_was_heard_and_what_came_too_late(admin_client, session):
    session.transcript.filter(role="model").update(audio_ms=5400, heard_ms=1234)
    session.tool_calls.update(delivered=False)
    page = admin_client.get(f"/admin/sessions_app/livesession/{session.pk}/change/").content.decode()
    assert "heard 1.2 of 5.4 s" in page
    assert "came too late" in page


def test_a_session_reads_as_a_conversation(admin_client, session):
    page = admin_client.get(f"/admin/sessions_app/livesession/{session.pk}/change/").content.decode()
    positions = [page.index(text) for text in ("what&#x27;s the weather", "Sunny.")]
    assert positions == sorted(positions)
    assert "get_weather" in page
    assert "12 ms" in page
    assert "interrupted" in page


def test_search_and_filters_find_the_session_and_no_other(admin_client, session):
    other = LiveSession.objects.create(user_label="somebody else")
    for query, found in (("q=weather", True), ("q=nothing+of+the+kind", False), (f"q={other.pk}", False)):
        page = admin_client.get(f"/admin/sessions_app/livesession/?{query}").content.decode()
        assert (str(session.pk) in page) is found, query


def test_the_record_cannot_be_written_even_by_a_superuser(admin_client, session):
    call = session.tool_calls.get()
    for page in (
        "/admin/sessions_app/livesession/add/",
        f"/admin/sessions_app/livesession/{session.pk}/change/",
        "/admin/tools_app/toolcall/add/",
        f"/admin/tools_app/toolcall/{call.pk}/change/",
    ):
        assert admin_client.post(page, {"status": "created", "name": "x"}).status_code == 403, page
    session.refresh_from_db()
    call.refresh_from_db()
    assert (session.status, call.name) == ("ended", "get_weather")


def test_who_is_no_staff_sees_nothing(client, pages):
    client.force_login(get_user_model().objects.create_user("ada"))
    for page in pages:
        assert client.get(page).status_code == 302, page


def test_staff_sees_what_it_may_view(client, session):
    operator = get_user_model().objects.create_user("operator", is_staff=True)
    operator.user_permissions.add(Permission.objects.get(codename="view_livesession"))
    client.force_login(operator)
    assert client.get(f"/admin/sessions_app/livesession/{session.pk}/change/").status_code == 200
    assert client.get("/admin/tools_app/toolcall/").status_code == 403


def test_a_list_of_many_sessions_takes_as_many_queries_as_one_of_few(admin_client, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            admin_client.get("/admin/sessions_app/livesession/")
        return len(captured)

    LiveSession.objects.create()
    few = queries()
    LiveSession.objects.bulk_create(LiveSession() for _ in range(40))
    assert queries() == few

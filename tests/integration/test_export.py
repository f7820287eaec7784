"""`GET /api/sessions/<id>/export`: whole, in order, and nothing that was said is taken for markup."""

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sessions_app.models import LiveSession, TranscriptEntry
from sessions_app.rest import documents
from tools_app.models import ToolCall

BEGIN = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
HOSTILE = (
    '<script>alert(1)</script> ![x](javascript:y) [a](http://b) ```\n# Head\n- item\n\n1. one\n<!-- " & | **bold**'
)


def conversation(turns: int = 2, text: str = "Hello", **session) -> LiveSession:
    """Each turn: a question, a call, an interrupted answer."""
    session = LiveSession.objects.create(created_at=BEGIN, user_label="ada", **session)
    moments = [BEGIN + timedelta(seconds=10 * turn) for turn in range(turns)]
    TranscriptEntry.objects.bulk_create(
        TranscriptEntry(
            session=session, sequence=2 * turn + place, role=("user", "model")[place], text=f"{text} {turn}",
            started_at=moment + timedelta(seconds=5 * place), ended_at=moment + timedelta(seconds=5 * place + 1),
            interrupted=bool(place), heard_ms=1200 if place else None,
        )
        for turn, moment in enumerate(moments)
        for place in (0, 1)
    )  # fmt: skip
    ToolCall.objects.bulk_create(
        ToolCall(
            session=session, name="get_weather", call_id=f"c{turn}", arguments={"turn": turn}, result={"text": text},
            status="ok", duration_ms=7, started_at=moment + timedelta(seconds=2),
        )
        for turn, moment in enumerate(moments)
    )  # fmt: skip
    return session


def body(answer) -> str:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


@pytest.mark.django_db
def test_json_has_all_of_it(client):
    session = conversation(60, title="Weather", metadata={"a": 1})
    answer = client.get(f"/api/sessions/{session.pk}/export")
    assert answer.headers["content-type"] == "application/json"
    name = f"conversation-2026-11-24-{str(session.pk)[:8]}.json"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    exported = json.loads(body(answer))
    page = client.get(f"/api/sessions/{session.pk}").json()
    transcript, calls = exported.pop("transcript"), exported.pop("toolCalls")
    assert (len(transcript), len(calls)) == (120, 60)
    assert (transcript[-50:], calls[-50:]) == (page.pop("transcript"), page.pop("toolCalls"))
    assert exported == page


@pytest.mark.django_db
def test_an_empty_session_can_be_exported(client):
    session = LiveSession.objects.create()
    exported = json.loads(body(client.get(f"/api/sessions/{session.pk}/export?form=json")))
    assert exported["transcript"] == exported["toolCalls"] == []
    assert body(client.get(f"/api/sessions/{session.pk}/export?form=markdown")).startswith("# Conversation with User")


@pytest.mark.django_db
def test_markdown_is_read_by_a_person(client):
    answer = client.get(f"/api/sessions/{conversation(1, title='Weather').pk}/export", {"form": "markdown"})
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    said = body(answer).split("\n\n", 2)
    assert said[0] == "# Weather"
    assert "- Created: 2026-11-24 18\\:00\\:00 UTC" in said[1]
    assert said[2] == (
        "**ada** (18:00:00)\n\nHello 0\n\n"
        '**Tool get\\_weather** (18:00:02, Ok, 7 ms)\n\n```json\n{\n  "turn": 0\n}\n```\n\n'
        '```json\n{\n  "text": "Hello"\n}\n```\n\n'
        "**Gemini** (18:00:05, interrupted, heard 1.2 s)\n\nHello 0\n"
    )


@pytest.mark.django_db
def test_an_accept_header_and_an_unknown_form(client):
    url = f"/api/sessions/{conversation().pk}/export"
    assert client.get(url, {"form": "markdown"}, headers={"accept": "text/markdown"}).status_code == 200
    assert client.get(url, {"form": "pdf"}).json()["fields"]["form"] == [
        "There is no such value. Known are: json, markdown."
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["json", "markdown"])
def test_queries_grow_with_batches_not_with_rows(client, django_assert_num_queries, form):
    session = conversation(120)
    url = f"/api/sessions/{session.pk}/export?form={form}"
    counts_messages = form == "json"
    with django_assert_num_queries(5 + counts_messages):  # the session, its 240 messages, its 120 calls in three
        body(client.get(url))


class Markup(HTMLParser):
    """Tags and texts of HTML."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@settings(max_examples=200, deadline=None)
@example(HOSTILE)
@example("<script\nalert(1)\n<p\n<div class")
@example("1. a\n-- \n===\n    code\n\tx\r\n~~~\n:-: | b\n-|-\n&amp; &#60;")
@given(st.text(alphabet=st.sampled_from("ab 1.)-+=#>*_`~|[](){}<>!&\\/:;\n\r\t\"'x$@^"), max_size=40))
def test_plain_text_comes_out_of_markdown_as_it_went_in(text):
    shown = Markup(MARKDOWN.render(f"**Who**\n\n{documents.plain(text)}\n"))
    assert shown.text.split() == ["Who", *text.split()]
    assert set(shown.tags) <= {"p", "strong", "br"}


def test_no_address_becomes_a_link():
    """Which many readers of Markdown make of any that stands alone."""
    said = documents.plain("www.a.example http://b.example c@d.example")
    assert said == r"www\.a.example http\://b.example c\@d.example"


@pytest.mark.django_db
def test_what_was_said_and_called_cannot_break_out(client):
    session = conversation(1, HOSTILE, title=HOSTILE, end_reason=HOSTILE)
    LiveSession.objects.update(user_label=HOSTILE[:200])
    ToolCall.objects.update(name=HOSTILE[:200], arguments={HOSTILE: HOSTILE}, result=f"```\n{HOSTILE}")
    markdown = body(client.get(f"/api/sessions/{session.pk}/export", {"form": "markdown"}))
    assert set(Markup(MARKDOWN.render(markdown)).tags) <= {"h1", "ul", "li", "p", "strong", "br", "pre", "code"}
    exported = json.loads(body(client.get(f"/api/sessions/{session.pk}/export")))
    assert exported["transcript"][0]["text"] == f"{HOSTILE} 0"


@pytest.mark.django_db(transaction=True)
async def test_a_server_that_speaks_asgi_sends_it_in_pieces(async_client):
    session = await sync_to_async(conversation)(3000, "words " * 20)
    answer = await async_client.get(f"/api/sessions/{session.pk}/export")
    pieces = [piece async for piece in answer.streaming_content]
    assert len(pieces) > 5
    assert max(map(len, pieces)) < 200_000
    assert len(json.loads(b"".join(pieces))["transcript"]) == 6000


@pytest.mark.django_db
def test_the_admin_exports_what_its_reader_may_see(client, admin_client):
    session = conversation(title="For <operators>", user=User.objects.create_user("owner"))
    page = admin_client.get(reverse("admin:sessions_app_livesession_change", args=[session.pk])).content.decode()
    for form, begins in (("markdown", "# For \\<operators\\>"), ("json", '{"sessionId"')):
        url = reverse("admin:sessions_app_livesession_export", args=[session.pk, form])
        assert f'href="{url}"' in page
        assert body(admin_client.get(url)).startswith(begins)
        assert client.get(url).status_code == 302  # to the login
    assert admin_client.get(url.replace("/json", "/pdf")).status_code == 404
    clerk = User.objects.create_user("clerk", is_staff=True)
    client.force_login(clerk)
    assert client.get(url).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_livesession"))
    assert client.get(url).status_code == 200

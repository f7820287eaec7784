"""The admin's page for files."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tools_app.documents import MAX_BYTES
from tools_app.fulltext import search
from tools_app.models import KnowledgeDocument

URL = reverse("admin:tools_app_knowledgedocument_upload")
HOSTILE = "<script>alert(1)</script>"


def upload(client: Client, *files: tuple[str, bytes]) -> list[str]:
    """The sentences that the next page shows."""
    data = {"files": [SimpleUploadedFile(name, content) for name, content in files]}
    response = client.post(URL, data, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def clerk(db) -> Client:
    """May add documents, and look at them."""
    user = User.objects.create_user("clerk", password="x", is_staff=True)
    names = ("add_knowledgedocument", "view_knowledgedocument")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def test_several_files_become_documents_that_are_found(admin_client):
    told = upload(
        admin_client,
        ("returns.md", b"# Returns\n\nSend it back."),
        ("hours.txt", "Geöffnet um neun".encode("latin-1")),
        ("page.html", b"<title>Quokkas</title><p>They <b>smile</b>."),
    )
    assert told == ["3 loaded."]
    assert [found["source"] for found in search("smile", 5)] == ["page.html"]
    assert [found["title"] for found in search("geöffnet", 5)] == ["Hours"]
    assert LogEntry.objects.count() == 3


def test_a_file_again_replaces_its_document_and_one_that_is_none_gets_a_sentence(admin_client):
    upload(admin_client, ("a.md", b"# One\n\nquokkas"), ("b.md", b"# Two\n\nzebras"))
    told = upload(
        admin_client,
        ("a.md", b"# One\n\nwombats"),
        ("b.md", b"# Two\n\nzebras"),
        ("c.md", b"x"),
        ("d.pdf", b"%PDF"),
    )
    assert told == [
        "d.pdf is not understood: convert it to Markdown, text or HTML.",
        "1 replaced, 1 there already, 1 loaded.",
    ]
    assert KnowledgeDocument.objects.count() == 3
    assert not search("quokkas", 5)
    assert [found["source"] for found in search("wombats", 5)] == ["a.md"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.md", b"\x89PNG\r\n\x1a\n\x00", "is no text"),
        ("a.md", b"a\x00b", "is no text"),
        ("a.md", b"", "holds no text"),
        ("a.md", b"x" * (MAX_BYTES + 1), "has more than 5 MB"),
        ("a.html", b"<p>x" + b"<div>" * 900_000, "nests its elements too deep"),
        (f"{HOSTILE}.md", b"\x00", "is no text"),
    ],
)
def test_hostile_files_get_a_sentence(admin_client, name, content, sentence):
    told = upload(admin_client, (name, content), ("good.md", b"words"))
    assert sentence in told[0]
    assert told[1:] == ["1 loaded."]
    assert KnowledgeDocument.objects.count() == 1


def test_one_line_of_five_megabytes_is_a_document(admin_client):
    assert upload(admin_client, ("a.txt", b"quokka " * (MAX_BYTES // 7))) == ["1 loaded."]
    assert len(search("quokka", 5)) == 2


def test_names_and_texts_are_escaped(admin_client):
    data = {"files": SimpleUploadedFile("x.pdf<script>.pdf", b"x")}
    assert "<script>." not in admin_client.post(URL, data, follow=True).content.decode()
    upload(admin_client, ("a.md", f"words `{HOSTILE}` \n\n# {HOSTILE}\n\nwords".encode()))
    page = reverse("admin:tools_app_knowledgedocument_change", args=[KnowledgeDocument.objects.get().pk])
    text = admin_client.get(page).content.decode()
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 2


def test_who_may_only_add_replaces_nothing(clerk):
    assert upload(clerk, ("a.md", b"quokkas")) == ["1 loaded."]
    [told] = upload(clerk, ("a.md", b"wombats"))
    assert told == "a.md would replace a document, which you have no permission to change."
    assert KnowledgeDocument.objects.get().text == "quokkas"
    assert len(search("quokkas", 5)) == 1


def test_the_page_is_for_those_who_may_add_documents(clerk, client):
    listing = reverse("admin:tools_app_knowledgedocument_changelist")
    assert URL in clerk.get(listing).content.decode()
    assert 'type="file"' in clerk.get(URL).content.decode()
    assert "This field is required" in clerk.post(URL).content.decode()
    user = User.objects.get()
    user.user_permissions.set(Permission.objects.filter(codename="view_knowledgedocument"))
    assert URL not in clerk.get(listing).content.decode()
    assert clerk.get(URL).status_code == 403
    assert clerk.post(URL, {"files": SimpleUploadedFile("a.md", b"x")}).status_code == 403
    assert client.get(URL).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    assert strict.post(URL, {"files": SimpleUploadedFile("a.md", b"x")}).status_code == 403
    assert not KnowledgeDocument.objects.exists()


def test_a_documents_page_shows_its_passages(admin_client):
    document = KnowledgeDocument.objects.create(title="Returns", text="# Refunds\n\n**Five** days.")
    page = reverse("admin:tools_app_knowledgedocument_change", args=[document.pk])
    assert "Five days." in admin_client.get(page).content.decode()
    admin_client.post(page, {"title": "Returns", "text": "# Refunds\n\n**Six** days.", "source": ""})
    assert "Six days." in admin_client.get(page).content.decode()
    assert [found["passage"] for found in search("refunds", 5)] == ["Six days."]

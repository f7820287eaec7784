"""`manage.py load_documents`."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.waiting import GIVE_UP_SECONDS
from tools_app.documents import MAX_BYTES
from tools_app.fulltext import search
from tools_app.models import KnowledgeDocument

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "documents"
    (folder / "deep/er").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name, text in {
        "returns.md": "# Returns\n\nSend it back.",
        "deep/er/hours.html": "<h1>Hours</h1><p>At nine.",
        ".hidden.md": "hidden",
        ".git/config.txt": "hidden",
    }.items():
        (folder / name).write_text(text)
    return folder


def load(folder: Path, **options) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("load_documents", str(folder), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def sources() -> list[str]:
    return sorted(KnowledgeDocument.objects.values_list("source", flat=True))


def test_a_folder_is_loaded_and_again_changes_nothing(folder):
    assert load(folder) == ("2 created, 0 changed, 0 unchanged.\n", "")
    assert sources() == ["deep/er/hours.html", "returns.md"]
    assert [found["title"] for found in search("nine", 5)] == ["Hours"]
    before = list(KnowledgeDocument.objects.values_list("pk", "updated_at"))
    assert load(folder)[0] == "0 created, 0 changed, 2 unchanged.\n"
    assert list(KnowledgeDocument.objects.values_list("pk", "updated_at")) == before


def test_a_changed_file_replaces_its_document(folder):
    load(folder)
    (folder / "returns.md").write_text("# Returns\n\nKeep it.")
    out, _ = load(folder, verbosity=2)
    assert out == "returns.md: changed\ndeep/er/hours.html: unchanged\n0 created, 1 changed, 1 unchanged.\n"
    assert [found["passage"] for found in search("returns", 5)] == ["Keep it."]


def test_files_that_are_none_are_skipped_in_a_sentence(folder):
    (folder / "plan.pdf").write_bytes(b"%PDF")
    (folder / "picture.md").write_bytes(b"\x00\x01")
    (folder / "huge.txt").write_bytes(b"x" * (MAX_BYTES + 1))
    (folder / "gone.md").symlink_to(folder / "nowhere.md")
    out, err = load(folder)
    assert out == "2 created, 0 changed, 0 unchanged, 3 skipped.\n"
    assert err.splitlines() == [
        "huge.txt has more than 5 MB: split it. It is skipped.",
        "picture.md is no text, whatever its name says: save it as UTF-8. It is skipped.",
        "plan.pdf is not understood: convert it to Markdown, text or HTML. It is skipped.",
    ]


def test_missing_files_are_deleted_below_the_prefix_only(folder):
    for source in ("typed by a person", "DOCS/other.md", "docs/old.md"):
        KnowledgeDocument.objects.create(title="x", text="x", source=source)
    load(folder, prefix="docs/")
    (folder / "returns.md").unlink()
    expected = "0 created, 0 changed, 1 unchanged, 2 deleted"
    assert load(folder, prefix="docs/", delete_missing=True, dry_run=True)[0] == (
        f"{expected} (a dry run: nothing was written).\n"
    )
    assert len(sources()) == 5
    assert load(folder, prefix="docs/", delete_missing=True)[0] == f"{expected}.\n"
    assert sources() == ["DOCS/other.md", "docs/deep/er/hours.html", "typed by a person"]


def test_a_document_whose_file_cannot_be_read_is_not_deleted(folder):
    load(folder, prefix="docs/")
    (folder / "returns.md").write_bytes(b"\x00")
    load(folder, prefix="docs/", delete_missing=True)
    assert "docs/returns.md" in sources()


def test_a_dry_run_writes_nothing(folder):
    load(folder)
    (folder / "returns.md").write_text("Keep it.")
    (folder / "new.txt").write_text("New.")
    assert load(folder, dry_run=True)[0].startswith("1 created, 1 changed, 1 unchanged (a dry run")
    assert sources() == ["deep/er/hours.html", "returns.md"]
    assert search("back", 5)


def test_what_would_delete_too_much_is_refused(folder, tmp_path):
    load(folder, prefix="docs/")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match="holds no document, so nothing was deleted"):
        load(tmp_path / "empty", prefix="docs/", delete_missing=True)
    with pytest.raises(CommandError, match="needs --prefix"):
        load(folder, delete_missing=True)
    assert len(sources()) == 2


def test_a_folder_that_is_not_there_ends_with_1(environment, tmp_path):
    process = subprocess.run(
        [sys.executable, "manage.py", "load_documents", str(tmp_path / "nowhere")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=GIVE_UP_SECONDS,
    )  # fmt: skip
    assert process.returncode == 1
    assert f"There is no folder {tmp_path / 'nowhere'}" in process.stderr

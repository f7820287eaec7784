"""Brings a folder of documents into the knowledge base, and keeps it equal to the folder when it runs again."""

import os
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from tools_app import documents
from tools_app.models import KnowledgeDocument

MAX_SOURCE = 500  # the model's field
OUTCOMES = ("created", "changed", "unchanged", "deleted", "skipped")


class Command(BaseCommand):
    help = (
        "Load the Markdown, text and HTML files of a folder and its subfolders into the knowledge base. A file's path "
        "in the folder is the document's source. Run it again after changes: only changed files are written."
    )

    requires_system_checks = ()  # they import every URL's view, which takes longer than a small folder

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--prefix", default="", help="written before each path to make the source, such as docs/")
        parser.add_argument(
            "--delete-missing",
            action="store_true",
            help="delete documents whose source begins with the prefix and is no file of the folder any more",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")

    def handle(
        self, *, folder: Path, prefix: str, delete_missing: bool, dry_run: bool, verbosity: int, **options: Any
    ) -> None:
        if not folder.is_dir():
            raise CommandError(f"There is no folder {folder}; name one that holds the documents.")
        if delete_missing and not prefix:
            raise CommandError("--delete-missing needs --prefix, or it would delete what others have written.")
        counts: Counter[str] = Counter()
        sources = set()
        for path in _files(folder):
            # A name that is no UTF-8 cannot be a source as it is.
            name = os.fsencode(path.relative_to(folder)).decode(errors="replace")
            source = prefix + name
            sources.add(source)
            try:
                outcome = self._load(path, source, dry_run)
            except documents.Unreadable as error:
                self.stderr.write(f"{name} {error}. It is skipped.")
                outcome = "skipped"
            counts[outcome] += 1
            if verbosity > 1 and outcome != "skipped":
                self.stdout.write(f"{source}: {outcome}")
        if delete_missing:
            if sum(counts.values()) == counts["skipped"]:
                raise CommandError(f"{folder} holds no document, so nothing was deleted; is it the right folder?")
            counts["deleted"] = self._delete(prefix, sources, dry_run, verbosity)
        told = {"created", "changed", "unchanged", *counts}
        summary = ", ".join(f"{counts[word]} {word}" for word in OUTCOMES if word in told)
        self.stdout.write(f"{summary}{' (a dry run: nothing was written)' if dry_run else ''}.")

    def _load(self, path: Path, source: str, dry_run: bool) -> str:
        if len(source) > MAX_SOURCE:
            raise documents.Unreadable(f"has a path of more than {MAX_SOURCE} characters: move it")
        try:
            with path.open("rb") as file:
                data = file.read(documents.MAX_BYTES + 1)
        except OSError as error:
            raise documents.Unreadable(f"cannot be read ({error.strerror})") from error
        document = documents.read(path.name, data)
        with transaction.atomic():
            outcome, _ = KnowledgeDocument.objects.put(source, document)
            transaction.set_rollback(dry_run)
        return outcome

    def _delete(self, prefix: str, sources: set[str], dry_run: bool, verbosity: int) -> int:
        # SQLite's LIKE takes no notice of case, so startswith() is asked once more here.
        known = KnowledgeDocument.objects.filter(source__startswith=prefix).values_list("pk", "source")
        gone = {key: source for key, source in known if source.startswith(prefix) and source not in sources}
        for key, source in gone.items():
            if not dry_run:
                KnowledgeDocument.objects.filter(pk=key).delete()
            if verbosity > 1:
                self.stdout.write(f"{source}: deleted")
        return len(gone)


def _files(folder: Path) -> Iterator[Path]:
    """In the order of their names; hidden files and folders are nobody's documents."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent) / name
            if not name.startswith(".") and path.is_file():
                yield path

"""The demo company's documents, as rows that the admin may then edit."""

from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, transaction

from .. import documents
from ..models import KnowledgeDocument

FOLDER = Path(__file__).parent / "documents"
PREFIX = "demo/"


def load(*, missing: bool = False, using: str = DEFAULT_DB_ALIAS) -> int:
    """Create the rows of the Markdown files and return how many.

    Done once: if any row of the demo is there, people may have edited or deleted others, and nothing is touched.
    With `missing`, files without a row are loaded all the same. A row that is there is never overwritten.
    """
    objects = KnowledgeDocument.objects.using(using)
    present = set(objects.filter(source__startswith=PREFIX).values_list("source", flat=True))
    if present and not missing:
        return 0
    new = [
        KnowledgeDocument(source=f"{PREFIX}{path.name}", **documents.read(path.name, path.read_bytes())._asdict())
        for path in sorted(FOLDER.glob("*.md"))
        if f"{PREFIX}{path.name}" not in present
    ]
    with transaction.atomic(using=using):
        created = objects.bulk_create(new)
        objects.cut()
    return len(created)

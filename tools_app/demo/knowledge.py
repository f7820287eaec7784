"""The demo company's documents, as rows that the admin may then edit."""

from pathlib import Path

from ..models import KnowledgeDocument

FOLDER = Path(__file__).parent / "documents"
PREFIX = "demo/"


def load(*, missing: bool = False) -> int:
    """Create the rows of the Markdown files and return how many.

    Done once: if any row of the demo is there, people may have edited or deleted others, and nothing is touched.
    With `missing`, files without a row are loaded all the same. A row that is there is never overwritten.
    """
    present = set(KnowledgeDocument.objects.filter(source__startswith=PREFIX).values_list("source", flat=True))
    if present and not missing:
        return 0
    documents = []
    for path in sorted(FOLDER.glob("*.md")):
        heading, _, text = path.read_text(encoding="utf-8").partition("\n")
        source = f"{PREFIX}{path.name}"
        if source not in present:
            documents.append(KnowledgeDocument(title=heading.lstrip("# ").strip(), text=text.strip(), source=source))
    return len(KnowledgeDocument.objects.bulk_create(documents))

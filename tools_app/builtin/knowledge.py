"""The company's documents, by full-text search."""

from typing import Annotated

from django.db import Error
from pydantic import Field

from ..exceptions import ToolError
from ..fulltext import search
from ..models import KnowledgeDocument
from ..registry import tool

PURPOSE = (
    "Search the company's documents: policies, products, services, guidelines. Returns the passages that fit best."
)
MAX_TITLES = 20
TITLE_LENGTH = 60


def describe_documents() -> str:
    """What the tool is for, and some titles, so that the model knows what it may find."""
    try:
        titles = list(KnowledgeDocument.objects.values_list("title", flat=True)[:MAX_TITLES])
        more = KnowledgeDocument.objects.count() - len(titles)
    except Error:  # not migrated yet, or away: the search itself says so when it is called
        return PURPOSE
    if not titles:
        return PURPOSE
    listed = "; ".join(" ".join(title.split())[:TITLE_LENGTH] for title in titles)
    return f"{PURPOSE} Documents: {listed}{f'; and {more} more' if more > 0 else ''}."


@tool(description=describe_documents, sensitive=True)
def search_knowledge_base(
    query: Annotated[str, Field(description="What to look for, in a few words.", max_length=500)],
    limit: Annotated[int, Field(alias="maxResults", description="How many results at most.", ge=1, le=20)] = 5,
) -> dict:
    if not any(character.isalnum() for character in query):
        raise ToolError("The query holds no word to look for; ask with at least one.")
    results = search(query, limit)
    return {"query": query, "results": results, "total": len(results)}

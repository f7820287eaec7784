"""The company's documents, by full-text search."""

from typing import Annotated

from pydantic import Field

from ..exceptions import ToolError
from ..fulltext import search
from ..registry import tool


@tool
def search_knowledge_base(
    query: Annotated[str, Field(description="What to look for, in a few words.", max_length=500)],
    limit: Annotated[int, Field(alias="maxResults", description="How many results at most.", ge=1, le=20)] = 5,
) -> dict:
    """Search the company's documents: policies, products, services, guidelines. Returns the passages that fit best."""
    if not any(character.isalnum() for character in query):
        raise ToolError("The query holds no word to look for; ask with at least one.")
    results = search(query, limit)
    return {"query": query, "results": results, "total": len(results)}

"""Questions as people ask them, over the demo's documents and others that share their words, on both engines.

`pytest -s tests/integration/tools/test_knowledge_quality.py` prints the figures.
"""

import tomllib
from pathlib import Path

import pytest

from tools_app.demo import knowledge
from tools_app.fulltext import search
from tools_app.models import KnowledgeDocument

FOLDER = Path(__file__).parent / "knowledge"
QUESTIONS = [
    (question, source)
    for source, questions in tomllib.loads((FOLDER / "questions.toml").read_text()).items()
    for question in questions
]


@pytest.fixture
def corpus(knowledge_database) -> str:
    documents = []
    for part in (FOLDER / "distractors.md").read_text().removeprefix("# ").split("\n# "):
        title, _, text = part.partition("\n")
        documents.append(KnowledgeDocument(title=title, text=text.strip(), source=f"other/{title}"))
    KnowledgeDocument.objects.using(knowledge_database).bulk_create(documents)
    knowledge.load(using=knowledge_database)
    return knowledge_database


def ranks(using: str) -> dict[str, int]:
    """The place of the document that answers each question, from 1; 0 if it is not among the first 20."""
    found = {}
    for question, source in QUESTIONS:
        sources = list(dict.fromkeys(result["source"] for result in search(question, 20, using)))
        found[question] = sources.index(source) + 1 if source in sources else 0
    return found


def test_questions_find_the_document_that_answers_them(corpus, capsys):
    assert len(QUESTIONS) >= 60
    assert KnowledgeDocument.objects.using(corpus).filter(source__startswith="other/").count() >= 30
    found = ranks(corpus)
    recall = sum(1 <= rank <= 5 for rank in found.values()) / len(found)
    mrr = sum(1 / rank for rank in found.values() if rank) / len(found)
    with capsys.disabled():
        print(f"\n{corpus}: {len(found)} questions, recall@5 {recall:.3f}, MRR {mrr:.3f}")
        for question, rank in found.items():
            if rank != 1:
                print(rank, question)
    assert recall >= 0.9
    assert mrr >= 0.8

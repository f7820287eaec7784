"""Questions as people ask them, over the demo's documents and others that share their words, on both engines.

`pytest -s tests/integration/tools/test_knowledge_quality.py` prints the figures, and the questions that fail.
"""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tools_app.demo import knowledge
from tools_app.fulltext import search
from tools_app.management.commands.evaluate_search import evaluate, read_questions
from tools_app.models import KnowledgeDocument

FOLDER = Path(__file__).parent / "knowledge"
QUESTIONS = read_questions(FOLDER / "questions.toml")


def fill(using: str) -> None:
    others = []
    for part in (FOLDER / "distractors.md").read_text().removeprefix("# ").split("\n# "):
        title, _, text = part.partition("\n")
        others.append(KnowledgeDocument(title=title, text=text.strip(), source=f"other/{title}"))
    assert len(others) >= 30
    KnowledgeDocument.objects.using(using).bulk_create(others)
    knowledge.load(using=using)


def test_questions_find_the_document_that_answers_them(knowledge_database):
    """The floors stand just below what is reached: with TITLE = 1, or with the ranks reversed, they are missed."""
    fill(knowledge_database)
    figures = evaluate(QUESTIONS, knowledge_database)
    print(
        f"\n{knowledge_database}: {len(QUESTIONS)} questions, recall@5 {figures.recall:.3f}, MRR {figures.mrr:.3f}",
        *(f"  {rank or 'not found'}: {question}" for question, rank in figures.ranks.items() if (rank or 6) > 5),
        sep="\n",
    )
    assert len(QUESTIONS) >= 60
    assert figures.recall >= 0.9
    assert figures.mrr >= 0.83


def test_both_engines_rank_alike(knowledge_databases, django_db_blocker):
    """They stem and count stop words a little differently; the formula is one."""
    first = []
    with django_db_blocker.unblock():
        for alias in knowledge_databases.values():
            try:
                fill(alias)
                first.append({question: search(question, 1, alias)[0]["source"] for question in QUESTIONS})
            finally:
                KnowledgeDocument.objects.using(alias).all().delete()
    sqlite, postgresql = first
    assert sum(sqlite[question] == postgresql[question] for question in QUESTIONS) >= 0.9 * len(QUESTIONS)


@pytest.mark.django_db
def test_questions_of_ones_own_are_evaluated(tmp_path):
    file = tmp_path / "questions.toml"
    file.write_text('"a.md" = ["do quokkas smile?", "and what of wombats?"]')
    KnowledgeDocument.objects.create(title="Quokkas", text="They smile.", source="a.md")
    out = StringIO()
    call_command("evaluate_search", str(file), stdout=out)
    assert out.getvalue() == "not found: and what of wombats?\n2 questions: recall@5 0.500, MRR 0.500\n"


@pytest.mark.parametrize(("text", "sentence"), [(None, "cannot be read"), ("x = ", "cannot be read"),
                                                ("x = 1", "cannot be read"), ("x = [1]", "must hold lines"),
                                                ("", "must hold lines")])  # fmt: skip
def test_a_wrong_file_of_questions_is_a_sentence(tmp_path, text, sentence):
    file = tmp_path / "questions.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandError, match=sentence):
        call_command("evaluate_search", str(file))

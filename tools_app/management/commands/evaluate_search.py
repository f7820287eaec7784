"""How well the knowledge base answers questions whose answers are known."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS

from tools_app.fulltext import search

LOOKED_AT = 20


class Figures(NamedTuple):
    """`ranks`: the place of the right document by question, from 1; None: not among the first LOOKED_AT results.

    `recall`: the share of questions whose document is among the first five. `mrr`: the mean of 1 / rank.
    """

    ranks: dict[str, int | None]
    recall: float
    mrr: float


def evaluate(questions: dict[str, str], using: str = DEFAULT_DB_ALIAS) -> Figures:
    """`questions`: the source of the document that answers it, by question."""
    ranks = {}
    for question, source in questions.items():
        found = list(dict.fromkeys(result["source"] for result in search(question, LOOKED_AT, using)))
        ranks[question] = found.index(source) + 1 if source in found else None
    recall = sum(rank is not None and rank <= 5 for rank in ranks.values()) / len(ranks)
    return Figures(ranks, recall, sum(1 / rank for rank in ranks.values() if rank) / len(ranks))


def read_questions(path: Path) -> dict[str, str]:
    """Of a TOML file with a list of questions for each source. Raises CommandError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        questions = {question: source for source, listed in table.items() for question in listed}
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if not questions or not all(isinstance(question, str) for question in questions):
        raise CommandError(f'{path} must hold lines such as "docs/returns.md" = ["can I send it back?", "…"].')
    return questions


class Command(BaseCommand):
    help = "Ask the knowledge base questions whose documents are known; print recall@5, MRR and what was not found."

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help='TOML: "the document\'s source" = ["a question", "another"]')

    def handle(self, *, file: Path, **options: Any) -> None:
        figures = evaluate(read_questions(file))
        for question, rank in figures.ranks.items():
            if rank is None or rank > 5:
                self.stdout.write(f"{f'at place {rank}' if rank else 'not found'}: {question}")
        self.stdout.write(f"{len(figures.ranks)} questions: recall@5 {figures.recall:.3f}, MRR {figures.mrr:.3f}")

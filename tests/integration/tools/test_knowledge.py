"""Documents, their passages and the index, on SQLite and on PostgreSQL."""

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connections, transaction

from tests.integration.tools.databases import migrated
from tests.programs import require_program
from tools_app import documents
from tools_app.builtin.knowledge import MAX_TITLES, describe_documents
from tools_app.demo import knowledge
from tools_app.fulltext import INDEX, search
from tools_app.models import KnowledgeDocument, KnowledgePassage

LONG = "Quokkas smile at everybody. " * 200


def objects(using: str):
    return KnowledgeDocument.objects.using(using)


def titles(query: str, using: str) -> list[str]:
    return [result["title"] for result in search(query, 20, using)]


def execute(using: str, sql: str, *values) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, values)


def assert_whole(using: str) -> None:
    """After a search, passages are those of the documents as they are, and the index is that of the passages."""
    search("anything", 1, using)
    cut = [
        (document.pk, position, document.title, *passage)
        for document in objects(using).order_by("pk")
        for position, passage in enumerate(documents.cut(document.text))
    ]
    fields = ("document_id", "position", "title", "heading", "text")
    passages = KnowledgePassage.objects.using(using).order_by("document_id", "position")
    assert list(passages.values_list(*fields)) == cut
    if connections[using].vendor == "sqlite":
        # It raises "database disk image is malformed" when index and table differ.
        execute(using, f"INSERT INTO {INDEX}({INDEX}, rank) VALUES ('integrity-check', 1)")


INSERT = (
    "INSERT INTO tools_app_knowledgedocument (title, text, source, created_at, updated_at) "
    "VALUES (%s, %s, '', '2026-01-01', '2026-01-01')"
)
CHANGES = {
    "nothing": lambda using: None,
    "save": lambda using: [
        setattr(row := objects(using).get(title="Quokkas"), "text", "Wombats."), row.save(),
    ],
    "create": lambda using: objects(using).create(title="More", text=f"# Wombats\n\n{LONG}\n\n# Rain"),
    "bulk_create": lambda using: objects(using).bulk_create([KnowledgeDocument(title="x", text=LONG)] * 1),
    "title": lambda using: objects(using).filter(title="Quokkas").update(title="Wombats"),
    "text": lambda using: objects(using).update(text=f"Wombats. {LONG}"),
    "same text": lambda using: objects(using).update(text=LONG),
    "source": lambda using: objects(using).update(source="elsewhere"),
    "bulk_update": lambda using: objects(using).bulk_update(
        [KnowledgeDocument(pk=row.pk, title="Wombats", text="Wet.") for row in objects(using)], ["title", "text"]
    ),
    "delete": lambda using: objects(using).filter(title="Quokkas").delete(),
    "raw insert": lambda using: execute(using, INSERT, "Wombats", "Raw."),
    "raw update": lambda using: execute(using, "UPDATE tools_app_knowledgedocument SET text = 'Wombats'"),
    "raw delete": lambda using: execute(using, "DELETE FROM tools_app_knowledgedocument WHERE title = 'Quokkas'"),
    "raw passage": lambda using: execute(using, "DELETE FROM tools_app_knowledgepassage"),
    "put": lambda using: objects(using).put("a.md", documents.Document("Quokkas", "Wombats.")),
    "demo": lambda using: knowledge.load(using=using),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_passages_and_index_follow_every_change(knowledge_database, change):
    objects(knowledge_database).create(title="Quokkas", text=f"# Smiles\n\n{LONG}", source="a.md")
    objects(knowledge_database).create(title="Rain", text="Wet.")
    assert titles("quokka", knowledge_database) == ["Quokkas", "Quokkas"]
    CHANGES[change](knowledge_database)
    assert_whole(knowledge_database)
    whole = " ".join(document.title + document.text for document in objects(knowledge_database))
    for word in ("quokkas", "wombats", "raw", "wet"):
        assert bool(titles(word, knowledge_database)) == (word in whole.lower()), word


def test_saving_makes_the_passages_at_once(knowledge_database):
    document = objects(knowledge_database).create(title="Quokkas", text="They smile.")
    assert [passage.text for passage in document.passages.all()] == ["They smile."]
    document.text = "Wombats."
    document.save()
    assert [passage.text for passage in document.passages.all()] == ["Wombats."]


def test_a_change_that_is_rolled_back_changes_nothing(knowledge_database):
    objects(knowledge_database).create(title="Quokkas", text="They smile.")
    with transaction.atomic(using=knowledge_database):
        objects(knowledge_database).update(text="Wombats.")
        assert titles("wombat", knowledge_database) == ["Quokkas"]
        transaction.set_rollback(True, using=knowledge_database)
    assert titles("wombat", knowledge_database) == []
    assert titles("smiles", knowledge_database) == ["Quokkas"]
    assert_whole(knowledge_database)


def test_searches_at_the_same_time_cut_a_document_once(knowledge_database, django_db_blocker):
    objects(knowledge_database).bulk_create([KnowledgeDocument(title=f"Quokka {n}", text=LONG) for n in range(20)])
    start = threading.Barrier(4)

    def look() -> list[dict]:
        try:
            start.wait(20)
            return search("quokkas", 20, knowledge_database)
        finally:
            connections[knowledge_database].close()

    with ThreadPoolExecutor(4) as threads:
        found = [future.result(60) for future in [threads.submit(look) for _ in range(4)]]
    assert [len(results) for results in found] == [20] * 4
    assert_whole(knowledge_database)


def test_documents_of_before_passages_are_found_after_the_migration(knowledge_database):
    call_command("migrate", "tools_app", "0003", database=knowledge_database, verbosity=0)
    execute(knowledge_database, INSERT, "Quokkas", "They smile.")
    call_command("migrate", "tools_app", database=knowledge_database, verbosity=0)
    assert titles("smile", knowledge_database) == ["Quokkas"]
    assert_whole(knowledge_database)


def test_one_document_has_two_passages_in_an_answer_at_most(knowledge_database):
    objects(knowledge_database).create(title="Quokkas", text=LONG)
    objects(knowledge_database).create(title="Zoo", text="There are quokkas, lions, seals and forty other animals.")
    found = titles("quokkas", knowledge_database)
    assert sorted(found) == ["Quokkas", "Quokkas", "Zoo"]
    assert len(search("quokkas", 1, knowledge_database)) == 1


def test_rare_words_and_titles_count_more(knowledge_database):
    for number in range(20):
        objects(knowledge_database).create(title=f"Note {number}", text="An order, an order and an order.")
    objects(knowledge_database).create(title="Refund", text="See the note of the day for this, and for all the rest.")
    objects(knowledge_database).create(title="Zebra", text="A refund of one order of a zebra takes a day or so.")
    found = search("order of a refund", 20, knowledge_database)
    assert [result["title"] for result in found[:2]] == ["Refund", "Zebra"]
    scores = [result["score"] for result in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0


def test_passages_are_read_out_as_they_are(knowledge_database):
    objects(knowledge_database).create(
        title="Returns", text="# Refunds\n\nBy **card**,\nsee [here](https://example.com/x).", source="a.md"
    )
    [found] = search("card", 5, knowledge_database)
    assert found | {"score": 0} == {
        "title": "Returns", "source": "a.md", "passage": "By card, see here.", "score": 0,
    }  # fmt: skip
    assert titles("refunding", knowledge_database) == ["Returns"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Déjà vu", "deja"), ("deja vu", "DÉJÀ"), ("It was e\u0301te\u0301.", "été"), ("Straße", "straße"),
        ("Привет, мир", "привет"), ("write to help@example.com", "example"), ("the snake_case name", "case"),
        ("a multi-day trip", "multi"), ("see docs/returns.md", "returns"), ("日本語 です", "日本語"),
        ("5.90 dollars", "5.90"),
    ],
)  # fmt: skip
def test_words_of_any_language_and_form_are_found(knowledge_database, text, query):
    objects(knowledge_database).create(title="x", text=text)
    assert titles(query, knowledge_database) == ["x"]


HOSTILE = [
    '"', "'", "AI AND", "OR", "NOT AI", "NEAR(a, b)", "title:", "-", "*", "a*", "^a", "(", ")", "{a}", ";", "%", "%s",
    "a\x00b", "'; DROP TABLE tools_app_knowledgedocument; --", "& | !", "a:*", "\\", "<->", "x" * 500, "x y " * 120,
    " ".join("abcdefghij" * 20), "日本語", "ﷺ", "\ud800", "the and of", "١٢٣", "e\u0301" * 100,
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
def test_punctuation_is_never_syntax(knowledge_database, query):
    objects(knowledge_database).create(title="AI", text="x y z")
    assert isinstance(search(query, 5, knowledge_database), list)
    assert objects(knowledge_database).count() == 1


def test_a_dump_of_postgresql_can_be_restored(knowledge_databases, django_db_blocker):
    """A restore has no search_path: functions must not need one."""
    with django_db_blocker.unblock():
        objects("postgresql").create(title="Quokkas", text="They smile.")
        settings = connections["postgresql"].settings_dict
        execute("postgresql", "CREATE DATABASE restored")
        try:
            server = ["-h", settings["HOST"], "-U", settings["USER"]]
            dump = subprocess.run(
                [require_program("PostgreSQL", "pg_dump"), *server, settings["NAME"]], capture_output=True, check=True
            )
            command = [require_program("PostgreSQL", "psql"), *server, "-qX", "-v", "ON_ERROR_STOP=1", "restored"]
            restored = subprocess.run(command, input=dump.stdout, capture_output=True)
            assert restored.stderr == b""
            with migrated("restored", {**settings, "NAME": "restored"}) as alias:
                assert titles("smile", alias) == ["Quokkas"]
                objects(alias).update(text="Wombats.")
                assert titles("wombat", alias) == ["Quokkas"]
        finally:
            execute("postgresql", "DROP DATABASE restored")
            objects("postgresql").all().delete()


@pytest.mark.django_db
def test_the_model_is_told_some_titles():
    assert "Documents:" not in describe_documents()
    for number in range(MAX_TITLES + 5):
        KnowledgeDocument.objects.create(title=f"{number:02} " + "long " * 30, text="x")
    told = describe_documents()
    assert "00 long" in told
    assert told.endswith("; and 5 more.")
    assert len(told) < 2000

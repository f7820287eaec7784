"""Full-text search over KnowledgePassage, ranked by BM25: SQLite's FTS5, or PostgreSQL with the same formula.

The index follows the tables by itself, so that the admin, the shell and plain SQL all change it at once:

- On SQLite an external-content FTS5 table is kept equal to the passages by triggers
  (https://www.sqlite.org/fts5.html#external_content_tables).
- On PostgreSQL generated columns of the passages hold the words, how often each stands there, and how many there are.
  Its own ts_rank knows nothing of how rare a word is, so BM25 is computed from these
  (https://www.sqlite.org/fts5.html#the_bm25_function: k1 = 1.2, b = 0.75, weights multiply a column's frequencies).
- On both, a trigger deletes the passages of a document whose title or text has changed, and the next search (or
  `save`, which does not wait for one) cuts it anew.

Django remakes a SQLite table to alter it, and the triggers go with the old one: a migration that alters
KnowledgeDocument or KnowledgePassage must run `install` again after it.
"""

# ruff: noqa: S608  the SQL is made of constants only

import re
import unicodedata
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from .models import KnowledgeDocument

DOCUMENTS = "tools_app_knowledgedocument"
PASSAGES = "tools_app_knowledgepassage"
INDEX = "tools_app_knowledge_fts"
# A title says more of what a passage is about than one word of its text; a heading, too.
TITLE, HEADING, TEXT = 3.0, 2.0, 1.0
MAX_WORDS = 32
PER_DOCUMENT = 2

# Words that say nothing of what a question is about: PostgreSQL's english.stop, which is Snowball's list.
STOP_WORDS = frozenset(
    """i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
    it its itself they them their theirs themselves what which who whom this that these those am is are was were be
    been being have has had having do does did doing a an the and but if or because as until while of at by for with
    about against between into through during before after above below to from up down in out on off over under again
    further then once here there when where why how all any both each few more most other some such no nor not only
    own same so than too very s t can will just don should now""".split()  # noqa: SIM905
)

SQLITE = [
    f"""CREATE VIRTUAL TABLE {INDEX} USING fts5(title, heading, text,
        content='{PASSAGES}', content_rowid='id', tokenize="porter unicode61 remove_diacritics 2")""",
    f"""CREATE TRIGGER {INDEX}_insert AFTER INSERT ON {PASSAGES} BEGIN
        INSERT INTO {INDEX}(rowid, title, heading, text) VALUES (new.id, new.title, new.heading, new.text);
    END""",
    f"""CREATE TRIGGER {INDEX}_delete AFTER DELETE ON {PASSAGES} BEGIN
        INSERT INTO {INDEX}({INDEX}, rowid, title, heading, text)
        VALUES ('delete', old.id, old.title, old.heading, old.text);
    END""",
    f"""CREATE TRIGGER {INDEX}_update AFTER UPDATE ON {PASSAGES} BEGIN
        INSERT INTO {INDEX}({INDEX}, rowid, title, heading, text)
        VALUES ('delete', old.id, old.title, old.heading, old.text);
        INSERT INTO {INDEX}(rowid, title, heading, text) VALUES (new.id, new.title, new.heading, new.text);
    END""",
    f"""CREATE TRIGGER {INDEX}_document AFTER UPDATE OF title, text ON {DOCUMENTS}
    WHEN old.title IS NOT new.title OR old.text IS NOT new.text BEGIN
        DELETE FROM {PASSAGES} WHERE document_id = old.id;
    END""",
    f"""CREATE TRIGGER {INDEX}_gone AFTER DELETE ON {DOCUMENTS} BEGIN
        DELETE FROM {PASSAGES} WHERE document_id = old.id;
    END""",
    f"INSERT INTO {INDEX}({INDEX}) VALUES ('rebuild')",
]
SQLITE_GONE = [
    *(f"DROP TRIGGER IF EXISTS {INDEX}_{name}" for name in ("insert", "delete", "update", "document", "gone")),
    f"DROP TABLE IF EXISTS {INDEX}",
]
VECTOR = f"{INDEX}_vector(title, heading, text)"
POSTGRESQL = [
    # As FTS5's tokenizer: no accents, and a word ends at any punctuation (PostgreSQL's parser makes one word of
    # an address or a path). Lower case by ICU, because a database of the locale C knows it of ASCII only.
    # RETURN binds names now; a body in $$ would look them up in a restore of a dump, which has no search_path.
    f"""CREATE FUNCTION {INDEX}_words(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
        regexp_replace(
            regexp_replace(lower(normalize($1, NFKD) COLLATE "und-x-icu"), '[\\u0300-\\u036f]', '', 'g'),
            '[^a-zA-Z0-9\\u0080-\\U0010ffff]+', ' ', 'g')""",
    f"""CREATE FUNCTION {INDEX}_vector(text, text, text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
        setweight(to_tsvector('pg_catalog.english', {INDEX}_words($1)), 'A')
            || setweight(to_tsvector('pg_catalog.english', {INDEX}_words($2)), 'B')
            || to_tsvector('pg_catalog.english', {INDEX}_words($3))""",
    f"""CREATE FUNCTION {INDEX}_frequencies(tsvector) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT coalesce(jsonb_object_agg(lexeme, (
            SELECT sum(CASE weight WHEN 'A' THEN {TITLE} WHEN 'B' THEN {HEADING} ELSE {TEXT} END)
            FROM unnest(weights) AS weight
        )), '{{}}') FROM unnest($1)
    $$""",
    f"""CREATE FUNCTION {INDEX}_length(tsvector) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT coalesce(sum(cardinality(positions)), 0)::integer FROM unnest($1)
    $$""",
    f"""ALTER TABLE {PASSAGES}
        ADD COLUMN fts_vector tsvector GENERATED ALWAYS AS ({VECTOR}) STORED,
        ADD COLUMN fts_frequencies jsonb GENERATED ALWAYS AS ({INDEX}_frequencies({VECTOR})) STORED,
        ADD COLUMN fts_length integer GENERATED ALWAYS AS ({INDEX}_length({VECTOR})) STORED""",
    f"CREATE INDEX {INDEX} ON {PASSAGES} USING gin (fts_vector)",
    f"CREATE INDEX {INDEX}_lengths ON {PASSAGES} (fts_length)",
    f"""CREATE FUNCTION {INDEX}_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM {PASSAGES} WHERE document_id = old.id;
        RETURN NULL;
    END $$""",
    f"""CREATE TRIGGER {INDEX}_document AFTER UPDATE OF title, text ON {DOCUMENTS} FOR EACH ROW
        WHEN (old.title IS DISTINCT FROM new.title OR old.text IS DISTINCT FROM new.text)
        EXECUTE FUNCTION {INDEX}_changed()""",
    f"""CREATE TRIGGER {INDEX}_gone AFTER DELETE ON {DOCUMENTS} FOR EACH ROW
        EXECUTE FUNCTION {INDEX}_changed()""",
]
POSTGRESQL_GONE = [
    *(f"DROP TRIGGER IF EXISTS {INDEX}_{name} ON {DOCUMENTS}" for name in ("document", "gone")),
    f"DROP INDEX IF EXISTS {INDEX}",
    *(
        f"ALTER TABLE {PASSAGES} DROP COLUMN IF EXISTS fts_{name}" for name in ("vector", "frequencies", "length")
    ),
    *(
        f"DROP FUNCTION IF EXISTS {INDEX}_{name}"
        for name in ("changed", "length", "frequencies", "vector", "words")
    ),
]  # fmt: skip

HITS_SQLITE = f"""
    SELECT rowid AS id, -bm25({INDEX}, {TITLE}, {HEADING}, {TEXT}) AS score FROM {INDEX} WHERE {INDEX} MATCH %s
"""
# What FTS5 does (fts5Bm25Function in https://sqlite.org/src/file/ext/fts5/fts5_aux.c).
HITS_POSTGRESQL = f"""
    WITH words AS MATERIALIZED (
        SELECT lexeme FROM unnest(to_tsvector('pg_catalog.english', {INDEX}_words(%s)))
    ), found AS MATERIALIZED (
        SELECT id, fts_length AS length, lexeme, (fts_frequencies ->> lexeme)::float AS frequency
        -- OFFSET 0 keeps the planner from reading every passage once for each word.
        FROM {PASSAGES} CROSS JOIN LATERAL (SELECT lexeme FROM words WHERE fts_frequencies ? lexeme OFFSET 0) AS word
        WHERE fts_vector @@ (SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery FROM words)
    ), corpus AS MATERIALIZED (
        SELECT count(*) AS passages, avg(fts_length)::float AS length FROM {PASSAGES}
    ), rarity AS MATERIALIZED (
        SELECT lexeme, greatest(ln((max(passages) - count(*) + 0.5) / (count(*) + 0.5)), 1e-6)::float AS idf
        FROM found CROSS JOIN corpus GROUP BY lexeme
    )
    SELECT id, sum(idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * found.length / corpus.length))) AS score
    FROM found JOIN rarity USING (lexeme) CROSS JOIN corpus GROUP BY id
"""
SEARCH = f"""
WITH hits AS MATERIALIZED ({{hits}}), placed AS (
    SELECT hits.id, score, row_number() OVER (PARTITION BY document_id ORDER BY score DESC, hits.id) AS place
    FROM hits JOIN {PASSAGES} AS passage ON passage.id = hits.id
)
SELECT passage.title, document.source, passage.text, score
FROM placed JOIN {PASSAGES} AS passage ON passage.id = placed.id
    JOIN {DOCUMENTS} AS document ON document.id = passage.document_id
WHERE place <= {PER_DOCUMENT} ORDER BY score DESC, placed.id LIMIT %s
"""


def install(apps: Any, schema_editor: Any) -> None:
    uninstall(apps, schema_editor)
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def uninstall(apps: Any, schema_editor: Any) -> None:
    for statement in SQLITE_GONE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_GONE:
        schema_editor.execute(statement)


def search(query: str, limit: int, using: str = DEFAULT_DB_ALIAS) -> list[dict[str, Any]]:
    """The best passages first: `{"title", "source", "passage", "score"}`, higher scores are better.

    Any word of the query finds a passage, stop words aside; more and rarer words make a better score.
    Of one document there are PER_DOCUMENT passages at most. Punctuation never is syntax.
    """
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", query.lower()))
    words = [word for word in dict.fromkeys(words) if word not in STOP_WORDS][:MAX_WORDS]
    if not words:
        return []
    KnowledgeDocument.objects.using(using).cut()
    connection = connections[using]
    if connection.vendor == "sqlite":
        # In double quotes a word is a string to FTS5, whatever it says; it holds no double quote itself.
        hits, match = HITS_SQLITE, " OR ".join(f'"{word}"' for word in words)
    else:
        hits, match = HITS_POSTGRESQL, " ".join(words)
    with connection.cursor() as cursor:
        cursor.execute(SEARCH.format(hits=hits), [match, limit])
        rows = cursor.fetchall()
    return [
        {"title": title, "source": source, "passage": " ".join(passage.split()), "score": round(score, 3)}
        for title, source, passage, score in rows
    ]

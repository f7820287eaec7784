"""Full-text search over KnowledgeDocument: SQLite's FTS5, or PostgreSQL's own text search.

On SQLite an external-content FTS5 table is kept equal to the documents by triggers, so that the admin, the shell
and plain SQL all change it at once (https://www.sqlite.org/fts5.html#external_content_tables).
Django remakes a SQLite table to alter it, and the triggers go with the old one: a migration that alters
KnowledgeDocument must run `install` again after it.
"""

import re
from typing import Any

from django.db import connection

TABLE = "tools_app_knowledgedocument"
INDEX = "tools_app_knowledge_fts"
CREATE = f"""
CREATE VIRTUAL TABLE {INDEX} USING fts5(
    title, text, content='{TABLE}', content_rowid='id', tokenize="porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER {INDEX}_insert AFTER INSERT ON {TABLE} BEGIN
    INSERT INTO {INDEX}(rowid, title, text) VALUES (new.id, new.title, new.text);
END;
CREATE TRIGGER {INDEX}_delete AFTER DELETE ON {TABLE} BEGIN
    INSERT INTO {INDEX}({INDEX}, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
END;
CREATE TRIGGER {INDEX}_update AFTER UPDATE ON {TABLE} BEGIN
    INSERT INTO {INDEX}({INDEX}, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
    INSERT INTO {INDEX}(rowid, title, text) VALUES (new.id, new.title, new.text);
END;
INSERT INTO {INDEX}({INDEX}) VALUES ('rebuild');
"""  # noqa: S608  constants only
DROP = f"""
DROP TRIGGER IF EXISTS {INDEX}_insert;
DROP TRIGGER IF EXISTS {INDEX}_delete;
DROP TRIGGER IF EXISTS {INDEX}_update;
DROP TABLE IF EXISTS {INDEX};
"""
# A title says more of what a document is about than one word of its text.
SEARCH = f"""
SELECT document.title, document.source, snippet({INDEX}, 1, '', '', ' … ', 60), -bm25({INDEX}, 5.0, 1.0)
FROM {INDEX} JOIN {TABLE} AS document ON document.id = {INDEX}.rowid
WHERE {INDEX} MATCH %s ORDER BY bm25({INDEX}, 5.0, 1.0), document.id LIMIT %s
"""  # noqa: S608  constants only
MAX_WORDS = 32


def install(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        uninstall(apps, schema_editor)
        for statement in _statements(CREATE):
            schema_editor.execute(statement)
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE INDEX {INDEX} ON {TABLE} USING gin (to_tsvector('english', title || ' ' || text))"
        )


def uninstall(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        for statement in _statements(DROP):
            schema_editor.execute(statement)
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {INDEX}")


def _statements(script: str) -> list[str]:
    """The statements of one of the scripts above; a trigger's own semicolons stand before its END."""
    return [part.strip() for part in re.split(r";\n(?!    |END)", script) if part.strip()]


def search(query: str, limit: int) -> list[dict[str, Any]]:
    """The best documents first: `{"title", "source", "passage", "score"}`, higher scores are better.

    Documents with all words come first; if there are none, those with any. Punctuation never is syntax.
    """
    words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))[:MAX_WORDS]
    if not words:
        return []
    find = _search_sqlite if connection.vendor == "sqlite" else _search_postgresql
    rows = find(words, " ", limit) or find(words, " OR ", limit)
    return [
        {"title": title, "source": source, "passage": " ".join(passage.split()), "score": round(score, 3)}
        for title, source, passage, score in rows
    ]


def _search_sqlite(words: list[str], operator: str, limit: int) -> list[tuple]:
    with connection.cursor() as cursor:
        # In double quotes a word is a string to FTS5, whatever it says; \w+ holds no double quote.
        cursor.execute(SEARCH, [operator.join(f'"{word}"' for word in words), limit])
        return cursor.fetchall()


def _search_postgresql(words: list[str], operator: str, limit: int) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT title, source,
                ts_headline('english', text, query, 'StartSel="", StopSel="", MaxWords=60, MinWords=30'),
                ts_rank_cd(setweight(to_tsvector('english', title), 'A') || to_tsvector('english', text), query)
            FROM {TABLE}, websearch_to_tsquery('english', %s) AS query
            WHERE to_tsvector('english', title || ' ' || text) @@ query
            ORDER BY 4 DESC, id LIMIT %s
            """,  # noqa: S608  constants only
            [operator.join(words), limit],
        )
        return cursor.fetchall()

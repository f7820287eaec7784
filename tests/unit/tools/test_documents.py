"""Files to documents, documents to passages; also files that mean harm."""

import gc
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.forms import long_form
from tools_app.documents import MAX_BYTES, MAX_PASSAGE, MAX_PASSAGES, MAX_TITLE, Unreadable, cut, plain, read

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody minds. "


@pytest.mark.parametrize(
    ("name", "content", "title", "text"),
    [
        ("a.md", "# Opening *hours*\n\nAt nine.", "Opening hours", "At nine."),
        ("a.md", "Words.\n\n## Later\n\nMore.", "Later", "Words.\n\n## Later\n\nMore."),
        ("a.md", "Hours\n=====\nAt nine.", "Hours", "Hours\n=====\nAt nine."),
        ("a.md", "---\ntitle: 'From above'\ntags: []\n---\nAt nine.", "From above", "At nine."),
        ("opening-hours_2.TXT", "# no heading here", "Opening hours 2", "# no heading here"),
        ("a.markdown", "```\n# code\n```\nWords", "A", "```\n# code\n```\nWords"),
        ("a.html", "<title>The page</title><p>At&nbsp;<b>nine</b>.", "The page", "At nine."),
        ("a.htm", "<title>x</title><nav>Menu</nav><h1>Hours</h1>At <i>nine</i>.", "Hours", "At nine."),
    ],
)
def test_a_file_becomes_title_and_text(name, content, title, text):
    assert read(name, content.encode()) == (title, text)


def test_html_keeps_its_structure_and_nothing_that_runs():
    page = """<h1>Returns</h1><script>alert(1)</script><style>p {}</style><!-- secret -->
    <p>Send it\n   back.</p><h2>Refunds</h2><ul><li>by card<li>in cash</ul>
    <table><tr><th>Days<th>Fee<tr><td>30<td>none</table>"""
    document = read("a.html", page.encode())
    assert document.text == "Send it back.\n\n## Refunds\n\n- by card\n- in cash\n\nDays | Fee\n30 | none"
    assert cut(document.text)[1].heading == "Refunds"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings_of_every_office_are_read(encoding):
    assert read("a.txt", "Größe\r\nà la carte".encode(encoding)).text == "Größe\nà la carte"


def repeat(part: str, size: int) -> bytes:
    return (part * size)[: size if part.isascii() else size // 4].encode()


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("notes.pdf", b"%PDF-1.7", "is not understood: convert it to Markdown, text or HTML"),
        ("notes", b"words", "is not understood"),
        ("a.md", b"x" * (MAX_BYTES + 1), "has more than 5 MB"),
        ("a.md", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is no text"),
        ("a.md", b"one\x00two", "is no text"),
        ("a.md", b"\xff\xfe\x00", "is no text"),
        ("a.md", b"", "holds no text"),
        ("a.md", b"# Title only", "holds no text"),
        ("a.txt", b" \n\t ?!", "holds no text"),
        ("a.html", b"<script>words</script>", "holds no text"),
        ("a.html", b"<!--" * 100_000, "holds no text"),
        ("a.html", b"<p>start" + b"<div>" * 500_000 + b"deep", "nests its elements too deep"),
    ],
)
def test_what_is_no_document_gets_a_sentence(name, data, sentence):
    with pytest.raises(Unreadable, match=sentence):
        read(name, data)


ANYTHING = [
    ("a.md", "x"), ("a.md", "word "), ("a.md", "[a"), ("a.md", '[](a "'), ("a.md", "# "), ("a.md", "**a** "),
    ("a.md", "<a "), ("a.md", "a\n---\n"), ("a.md", "# h\nx\n"), ("a.md", "a <!--"), ("a.md", "a\n\n\n"),
    ("a.md", "```\na\n"), ("a.txt", "语"), ("a.html", "<p>a"), ("a.html", "a<br>"), ("a.html", "&lt;a"),
    ("a.html", "<a b=c d "), ("a.html", "<table>a"), ("a.html", "<!-- a"),
]  # fmt: skip


@pytest.mark.parametrize("size", [MAX_BYTES // 32, long_form(MAX_BYTES)])
@pytest.mark.parametrize(("name", "part"), ANYTHING)
def test_anything_is_read_once(name, part, size):
    """Each step reads its input once: eight times as much takes about eight times as long, not sixty-four times.

    It counts CPU time of this thread, as a ratio: neither a slow machine nor a busy one changes it. What a virtual
    machine loses to others is counted too: of three tries one has to do.
    """
    for _ in range(3):
        little, much = (seconds_for(name, repeat(part, size)) for size in (size // 8, size))
        if much < 24 * little + 0.02:
            return
    pytest.fail(f"An eighth takes {little:.3f} s, all of it {much:.3f} s")


def seconds_for(name: str, data: bytes) -> float:
    gc.disable()  # it would look through all that other tests left
    began = time.thread_time()
    try:
        passages = cut(read(name, data).text)
    except Unreadable:
        passages = None
    finally:
        took = time.thread_time() - began
        gc.enable()
    if passages is None:
        return took
    assert 1 <= len(passages) <= MAX_PASSAGES
    assert all(len(passage.text) <= MAX_PASSAGE for passage in passages)
    return took


def test_a_passage_knows_the_headings_above_it():
    passages = cut(
        "Intro.\n\n# Returns\n\nAll.\n\n## Refunds #\n\nMoney.\n\n```\n# no heading\n```\n\n"
        "Costs\n-----\n\nNone.\n\n# Last\nEnd."
    )
    assert [(passage.heading, passage.text) for passage in passages] == [
        ("", "Intro."),
        ("Returns", "All."),
        ("Returns › Refunds", "Money.\n\n# no heading"),
        ("Returns › Costs", "None."),
        ("Last", "End."),
    ]


def test_a_long_section_ends_its_passages_at_paragraphs_and_sentences():
    paragraphs = cut("\n\n".join([SENTENCE * 8] * 6))
    assert [passage.text.count("fox") for passage in paragraphs] == [16, 16, 16]
    sentences = cut(SENTENCE * 60)
    assert all(passage.text.startswith("The quick") and passage.text.endswith("minds.") for passage in sentences)
    assert all(600 <= len(passage.text) <= MAX_PASSAGE for passage in sentences)


@given(st.lists(st.text("abcxyzäß语.,!?0123456789", min_size=1, max_size=30), min_size=1, max_size=600), st.data())
def test_no_word_is_cut_lost_or_said_twice(words, data):
    spaces = data.draw(st.lists(st.sampled_from([" ", "\n", "\n\n"]), min_size=len(words), max_size=len(words)))
    passages = cut("".join(word + space for word, space in zip(words, spaces, strict=True)))
    assert " ".join(passage.text for passage in passages).split() == words
    assert all(len(passage.text) <= MAX_PASSAGE for passage in passages)


@given(st.text("#*_`[]()<>!-=|\\ \nab\"'/:.", max_size=400))
def test_any_markdown_is_cut(text):
    passages = cut(text)
    assert passages
    assert all(len(passage.text) <= MAX_PASSAGE for passage in passages)


def test_marks_are_not_read_out_and_what_only_looks_like_them_is():
    marked = '**Bold**, _soft_ and `code`: [a link](https://example.com/x "t")<br>![pic](p.png)\n> said\n\n---\n\nx'
    assert plain(marked) == "Bold, soft and code: a linkpic\nsaid\n\nx"
    assert plain("2*3*4, a_file_name and 5 * 6 | a | b") == "2*3*4, a_file_name and 5 * 6 | a | b"
    assert plain("| a | b |\n|---|---|\n| 1 | 2 |") == "| a | b |\n| 1 | 2 |"


def test_a_title_fits_its_field():
    assert len(read("a.html", b"<title>" + b"word " * 1000 + b"</title>words").title) <= MAX_TITLE
    assert len(read(f"{'x' * 300}.txt", b"words").title) <= MAX_TITLE

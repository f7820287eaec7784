"""Files to documents, documents to passages: plain functions of text, without a database.

`read` makes a title and Markdown text of a file's bytes, `cut` makes passages of Markdown text. Both take what
strangers upload: each step reads its input once from left to right, so that no input is slow for its length.
"""

import codecs
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

from lxml import etree, html

MARKDOWN = (".md", ".markdown")
HTML = (".html", ".htm")
SUFFIXES = (*MARKDOWN, ".txt", *HTML)
MAX_BYTES = 5 * 1024 * 1024
MAX_TITLE = 200  # the model's field
MAX_HEADING = 500
MAX_PASSAGE = 1200
# A document of more parts than this is no text with headings any more, and is cut by its length alone.
MAX_PASSAGES = 10_000

BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What no text holds; a Windows code page reads nearly every byte, so this is what tells a picture from a letter.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
FRONT_MATTER = re.compile(r"\A---\n(.{0,20000}?)\n---\n", re.DOTALL)
FRONT_TITLE = re.compile(r"^title: *[\"']?(.+?)[\"']? *$", re.MULTILINE)

NOT_TEXT = (
    *("script", "style", "noscript", "template", "nav", "svg", "iframe", "object", "select", "button", "textarea"),
)
BLOCKS = frozenset(
    """address article aside blockquote body caption dd details div dl dt fieldset figcaption figure footer form header
    hr main ol p pre section summary table tbody thead tr ul""".split()  # noqa: SIM905
)

# The best end of a passage comes first.
ENDS = (re.compile(r"\n\n"), re.compile(r"(?<=[.!?…。！？])\s+|\n"), re.compile(r"\s+"))
FENCES = ("```", "~~~")
# Marks that mean nothing when they are read out; a mark with a letter on both sides (2*3, a_name) is no mark.
MARKED = re.compile(r"[*_`~<>\[\\|]|---|\n{3}")
MARKS = (
    (re.compile(r"<!--(?:(?!<!--|-->).)*-->", re.DOTALL), ""),
    (re.compile(r"</?(?:a|abbr|b|br|center|code|div|em|i|img|p|small|span|strong|sub|sup|u)\b[^<>]{0,500}>"), ""),
    (re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,500}(?:\s+\"[^\"]{0,200}\")?\)"), r"\1"),
    (re.compile(r"(?<![\w*_])[*_]{1,3}(?=[\w\"'(])|(?<=[\w.,:;!?\"')])[*_]{1,3}(?![\w*_])"), ""),
    (re.compile(r"`"), ""),
    (re.compile(r"^[ \t]{0,3}>[ \t]?", re.MULTILINE), ""),
    (re.compile(r"\\([\\*_{}\[\]()#+.!|<>-])"), r"\1"),
)


class Unreadable(Exception):
    """A file that is no document; str() is the end of a sentence that begins with its name."""


class Document(NamedTuple):
    title: str
    text: str


class Passage(NamedTuple):
    """`heading` is the path to it, "Returns › Refunds"; empty above the first heading."""

    heading: str
    text: str


def read(name: str, data: bytes) -> Document:
    """The document in a file of that name: Markdown, plain text or HTML, by its suffix.

    The title is the first heading, else HTML's <title> or a front matter's, else the name. Nothing is fetched.
    Raises Unreadable.
    """
    path = PurePath(name)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise Unreadable("is not understood: convert it to Markdown, text or HTML")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"has more than {MAX_BYTES // 1024**2} MB: split it")
    text = decode(data)
    title = ""
    if suffix in HTML:
        title, text = _from_html(text)
    elif suffix in MARKDOWN and (front := FRONT_MATTER.match(text)):
        found = FRONT_TITLE.search(front[1])
        title, text = found[1] if found else "", text[front.end() :]
    text = text.strip()
    first, _, rest = text.partition("\n")
    if suffix != ".txt" and (heading := _heading(first)):
        title, text = heading[1], rest.strip()
    elif suffix != ".txt":
        title = next((section[-1] for section, _ in _sections(text) if section), title)
    title = " ".join(plain(title).split()) or path.stem.replace("-", " ").replace("_", " ").strip().capitalize()
    if not re.search(r"\w", text):
        raise Unreadable("holds no text")
    return Document(title[:MAX_TITLE], text)


def decode(data: bytes) -> str:
    """Text of UTF-8, of UTF-16 with its mark, or of Windows' superset of Latin-1. Raises Unreadable."""
    encodings = next(([name] for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), ["utf-8", "cp1252"])
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if CONTROL.search(text):
            break
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise Unreadable("is no text, whatever its name says: save it as UTF-8")


def _from_html(text: str) -> tuple[str, str]:
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = html.document_fromstring(text.encode(), parser=parser)
    except etree.ParserError as error:
        raise Unreadable("holds no text") from error
    # libxml2 stops at 256 levels, and leaves out what is below.
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise Unreadable("nests its elements too deep: save it as text")
    title = " ".join((tree.findtext(".//title") or "").split())
    etree.strip_elements(tree, *NOT_TEXT, "title", with_tail=False)
    written = re.sub(r"[ \t]*\n[ \t]*", "\n", "".join(_markdown(tree)))
    return title, re.sub(r"\n{3,}", "\n\n", written)


def _markdown(tree: html.HtmlElement) -> Iterator[str]:
    """Blocks, headings, items and cells; what is within a line is left plain."""
    kept = 0  # how many <pre> we are in
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag
        if not isinstance(tag, str):  # an entity that nobody knows
            continue
        text = element.text if event == "start" else element.tail
        kept += (tag == "pre") * (1 if event == "start" else -1)
        if re.fullmatch(r"h[1-6]", tag):
            yield f"\n\n{'#' * int(tag[1])} " if event == "start" else "\n\n"
        elif tag in BLOCKS:
            yield "\n\n" if tag != "tr" else "\n" if event == "start" else ""
        elif tag in ("li", "br"):
            yield ("\n- " if tag == "li" else "\n") if event == "start" else ""
        elif tag in ("td", "th") and event == "end":
            yield " | " if element.getnext() is not None else ""
        if text:
            yield text if kept else re.sub(r"\s+", " ", text)


def cut(text: str) -> list[Passage]:
    """Passages of at most MAX_PASSAGE characters, never none, readable without Markdown's marks.

    A heading begins a new one; a long section ends one at a paragraph, else at a sentence, else at a word.
    """
    by_heading = (
        Passage(" › ".join(path)[:MAX_HEADING], piece)
        for path, body in _sections(text)
        for piece in _pieces(plain(body))
    )
    passages = list(itertools.islice(by_heading, MAX_PASSAGES + 1))
    if not passages or len(passages) > MAX_PASSAGES:
        passages = [Passage("", piece) for piece in _pieces(plain(text))]
    return passages or [Passage("", "")]


def plain(text: str) -> str:
    """The text without the marks of Markdown; lists keep their dashes, and tables their bars."""
    if not MARKED.search(text):
        return text.strip()
    lines = (line for line in text.split("\n") if not (line.startswith(FENCES) or _is_rule(line)))
    text = "\n".join(lines)
    for pattern, replacement in MARKS:
        text = pattern.sub(replacement, text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _is_rule(line: str) -> bool:
    """A horizontal rule, or the line under a table's head."""
    return "---" in line and not line.strip("|:- \t")


def _heading(line: str) -> tuple[int, str] | None:
    """Level and words. What is longer than a title is a paragraph that begins with '#'."""
    level = len(line) - len(line.lstrip("#"))
    if not 1 <= level <= 6 or line[level : level + 1] not in (" ", "\t"):
        return None
    words = plain(line[level : level + 1000].strip().rstrip("#"))
    return (level, words) if words and len(line) <= MAX_TITLE + 10 else None


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """(the headings above it, Markdown text) for each part between two headings."""
    path: list[tuple[int, str]] = []
    body: list[str] = []
    fence = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        mark = line.lstrip()[:3]
        if mark in FENCES and (not fence or mark == fence):
            fence = "" if fence else mark
        underlined = set(line.rstrip()) in ({"="}, {"-"}) and len(line) > 2 and "".join(body[-1:]).strip()
        if not fence and underlined and len(body[-1]) <= MAX_TITLE and not "".join(body[-2:-1]).strip():
            found = (1 if line[0] == "=" else 2, plain(body.pop()))
        else:
            found = None if fence else _heading(line)
        if found is None:
            body.append(line)
            continue
        yield tuple(words for _, words in path), "\n".join(body)
        body = []
        path = [(level, words) for level, words in path if level < found[0]] + [found]
    yield tuple(words for _, words in path), "\n".join(body)


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while left := len(text) - start:
        if left > MAX_PASSAGE:
            # Parts of about one length, so that no last word stands alone.
            most = min(MAX_PASSAGE, int(left / math.ceil(left / MAX_PASSAGE) * 1.2))
            end = start + _end(text[start : start + most])
        else:
            end = len(text)
        if piece := text[start:end].strip():
            yield piece
        start = end


def _end(window: str) -> int:
    for pattern in ENDS:
        ends = [match.end() for match in pattern.finditer(window, len(window) // 2) if match.end() < len(window)]
        if ends:
            return ends[-1]
    # No end of a word in its second half: a longer word than anybody speaks.
    return max(window.rfind(" "), window.rfind("\n")) + 1 or len(window)

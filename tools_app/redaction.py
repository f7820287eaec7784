"""Takes secrets out of what a server answers: an echo service, or an error that quotes the request."""

import asyncio
import base64
import binascii
import functools
import re
from collections.abc import Iterable

PLACEHOLDER = b"[secret]"
WINDOW = 32 * 1024  # bytes
# Bytes of one character, as in "&#x00002b;", and of what may stand between two. Base64 takes less than twice as many.
LONGEST_WRITTEN = 16
# What is shorter is a setting ("X-Tenant: acme") rather than a secret, and so is a shorter part of a credential: if
# they were replaced, ordinary words would go from every answer.
SHORTEST = 8
SHORTEST_PART = 6


class Redactor:
    """Replaces `secrets` by "[secret]": as they are, without regard to case, in base64 (of them, or of a longer text
    with them inside), and with any of their characters as %2B, \\u002b or &#43;."""

    def __init__(self, secrets: Iterable[str]):
        found = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._pattern = _pattern(tuple(found))
        self._longest = LONGEST_WRITTEN * max(2 * len(secret.encode()) for secret in ["", *found])

    def clean_text(self, text: str) -> str:
        if not self._pattern:
            return text
        return self._pattern.sub(PLACEHOLDER, text.encode("utf-8", "replace")).decode()

    async def clean(self, content: bytes) -> bytes:
        """In pieces, between which others get their turn: a hostile megabyte takes half a second."""
        if not self._pattern:
            return content
        pieces, position = [], 0
        while position < len(content):
            end = position + WINDOW
            for found in self._pattern.finditer(content, position, end + self._longest):
                if found.start() >= end:
                    break
                pieces += [content[position : found.start()], PLACEHOLDER]
                position = found.end()
            if position < end:
                pieces.append(content[position:end])
                position = end
            await asyncio.sleep(0)
        return b"".join(pieces)

    def finds(self, content: bytes) -> bool:
        return bool(self._pattern and self._pattern.search(content))


def secrets_of(header: str) -> list[str]:
    """What is secret of a header's value: "Bearer abcdef" → "abcdef"; of "Basic …" also what it encodes."""
    scheme, _, rest = header.strip().partition(" ")
    credentials = rest.strip() if rest and re.fullmatch(r"[A-Za-z][\w-]*", scheme) else header.strip()
    if len(credentials) < SHORTEST:
        return []
    parts = re.split(r"[\s,;]+", credentials)
    parts += [part.partition("=")[2].strip("\"'") for part in parts]
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
            parts += [pair, pair.partition(":")[2]]
        except (binascii.Error, UnicodeDecodeError):
            pass
    return [credentials, *(part for part in parts if len(part) >= SHORTEST_PART)]


@functools.lru_cache(maxsize=256)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[bytes] | None:
    if not secrets:
        return None
    forms = [form for secret in secrets for form in [secret, *_base64_forms(secret)]]
    # The look-ahead lets the search pass over most of a megabyte at the speed of one character set.
    first = "".join(re.escape(letter) for letter in sorted({form[0] for form in forms} | set("%\\&-_+")))
    whole = "|".join(_however_written(form) for form in forms)
    return re.compile(f"(?=[{first}])(?:{whole})".encode(), re.IGNORECASE)


def _base64_forms(secret: str) -> list[str]:
    """What stays the same of the secret's base64, wherever in a longer text it stands."""
    raw, forms = secret.encode(), []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        whole = encoded.rstrip("=")
        start = (0, 2, 3)[before]
        end = len(whole) - (1 if encoded.endswith("=") else 0)
        if end - start >= SHORTEST_PART:
            forms.append(whole[start:end])
    return forms


def _however_written(text: str) -> str:
    """A pattern of the text with each character plain, percent-encoded, or escaped as in JSON and HTML. Zeros between
    are those of UTF-16, line ends those of long base64."""
    return r"(?:[\x00\r\n]|\\[rn]){0,3}".join(_written(byte) for byte in text.encode())


def _written(byte: int) -> str:
    plain = re.escape(chr(byte)) if byte < 128 else rf"\x{byte:02x}"
    ways = [plain, f"%{byte:02x}", rf"\\u00{byte:02x}", f"&#(?:0{{0,4}}{byte}|x0{{0,4}}{byte:x});"]
    ways += {
        "+": ["-"], "/": ["_", r"\\/"], '"': [r"\\\"", "&quot;"], "\\": [r"\\\\"],
        "&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], " ": [r"\+"],
    }.get(chr(byte), [])  # fmt: skip
    return f"(?:{'|'.join(ways)})"

"""A body, a reply or headers, as lines for people."""

import json
from collections.abc import Iterator
from contextlib import suppress

from broker.observe.printable import printable

SHOWN_BODY = 4096
"""How much is shown, in characters, unless all of it is asked for."""


def body_lines(text: str, *, full: bool) -> Iterator[str]:
    """Yield the text, indented; JSON is laid out."""
    # What is no JSON, or nested beyond reason, is shown as it came.
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    for line in (text if full else cut(text)).split("\n"):
        yield f"  {printable(line)}"


def cut(text: str) -> str:
    """Return the beginning of a text, and how much more there is."""
    more = len(text) - SHOWN_BODY
    return text if more <= 0 else f"{text[:SHOWN_BODY]}\n… ({more} more characters; --full shows them)"

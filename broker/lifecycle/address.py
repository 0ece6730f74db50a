"""Addresses of apps and the topic patterns of subscriptions."""

import re

ADDRESS = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
RESERVED = frozenset({"events", "replies", "unroutable", "dead-letters"})
"""Names that queues of interapp itself have; no app may take them."""

MAX_LENGTH = 200
"""Longest address: with its prefix it must fit AMQP's short string of 255 bytes."""


def checked_address(address: str) -> str:
    """Return the address; raise ValueError naming it when no app can have it."""
    if not ADDRESS.fullmatch(address) or len(address) > MAX_LENGTH:
        raise ValueError(
            f"{address!r} is no address: lower-case letters, digits and '-', words joined by '.', at most {MAX_LENGTH} characters"
        )
    if address in RESERVED:
        raise ValueError(f"{address!r} is reserved; no app may be called {', '.join(sorted(RESERVED))}")
    return address


def is_address(text: str) -> bool:
    """Tell whether an app can have this address."""
    return bool(ADDRESS.fullmatch(text)) and len(text) <= MAX_LENGTH and text not in RESERVED


def topic_matches(pattern: str, topic: str) -> bool:
    """Tell whether an AMQP topic pattern (``*`` one word, ``#`` any number of words) matches the dotted topic."""
    return _words_match(pattern.split("."), topic.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_words_match(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _words_match(pattern[1:], words[1:])

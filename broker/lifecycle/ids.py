"""Ids of messages, calls and workers, and ids that follow from another id."""

import os
import socket
import time
import uuid
from hashlib import sha256

RANDOM_BYTES = 10
"""Drawn for one id; 74 bits of them are used."""

_VARIANT = {f"{number:x}": "89ab"[number % 4] for number in range(16)}
"""From a drawn digit to one that says in its first two bits which variant of a UUID it is."""

SHORT_DIGITS = 8
"""How many of an id's last digits listings show."""


def new_id() -> str:
    """Return a fresh UUIDv7 (RFC 9562): milliseconds since 1970, then 74 random bits."""
    (made,) = new_ids(1)
    return made


def new_ids(count: int) -> list[str]:
    """Return so many fresh UUIDv7s, of one millisecond.

    With one question to the system: while it answers, another thread may take the interpreter's lock, and keep it for long.
    """
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    begin = f"{milliseconds[:8]}-{milliseconds[8:]}-7"
    drawn = os.urandom(RANDOM_BYTES * count).hex()
    return [
        f"{begin}{drawn[at : at + 3]}-{_VARIANT[drawn[at + 3]]}{drawn[at + 4 : at + 7]}-{drawn[at + 7 : at + 19]}"
        for at in range(0, len(drawn), 2 * RANDOM_BYTES)
    ]


def derived_id(*parts: object) -> str:
    """Return the id (a UUIDv8) that always follows from the same parts, so that a repeated effect is the same effect."""
    digest = bytearray(sha256("\x1f".join(map(str, parts)).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def short_id(message_id: str) -> str:
    """Return the last digits of an id, as listings show it."""
    return message_id[-SHORT_DIGITS:]


def worker_id(app: str, incarnation: str) -> str:
    """Return the id of the worker that serves an app in one start of one process: ``app@host:pid/random``."""
    return f"{app}@{incarnation}"


def incarnation_id() -> str:
    """Return a fresh id for one start of one process: ``host:pid/random``."""
    return f"{socket.gethostname()}:{os.getpid()}/{os.urandom(4).hex()}"

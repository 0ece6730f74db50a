"""Ids of messages, calls and workers, and ids that follow from another id."""

import os
import socket
import time
import uuid
from hashlib import sha256

RANDOM_BYTES = 10
"""Drawn for one id; 74 bits of them are used."""

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
    fixed = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | 0x2 << 62
    drawn = os.urandom(RANDOM_BYTES * count)
    return [
        _written(fixed, int.from_bytes(drawn[start : start + RANDOM_BYTES], "big"))
        for start in range(0, len(drawn), RANDOM_BYTES)
    ]


def _written(fixed: int, random: int) -> str:
    digits = f"{fixed | (random >> 68 & 0xFFF) << 64 | random & 0x3FFF_FFFF_FFFF_FFFF:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


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

"""Dead letters: what reached no app, kept as rows until an operator decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from broker.errors import NotFound
from broker.messages.envelope import Envelope
from broker.table.batch import Batch
from broker.table.database import Database
from broker.table.envelopes import clean, storable
from broker.table.queries import CHUNK, LARGEST
from broker.table.schema import dead_letters

KEEP = Batch.insert(
    "dead_letters",
    {
        "queue": "text",
        "reason": "text",
        "routing_key": "text",
        "headers": "text",
        "arrived_us": "bigint",
        "message_id": "text",
        "destination": "text",
        "amqp_user": "text",
        "call_id": "text",
        "source": "text",
        "kind": "text",
        "version": "integer",
        "content_type": "text",
        "correlation_id": "text",
        "reply_to": "text",
        "traceparent": "text",
        "sent_us": "bigint",
        "body": "bytea",
        "body_size": "bigint",
        "digest": "text",
    },
    # Delivered again because its acknowledgement was lost. Without an id nobody can tell: those are kept twice.
    on_conflict="ON CONFLICT DO NOTHING",
)


class Fate(StrEnum):
    """What became of a dead letter."""

    KEPT = "kept"
    """Nobody has decided yet."""
    REPLAYED = "replayed"
    """An operator made it a row of the handler table."""
    DISCARDED = "discarded"
    """An operator decided that nobody needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One delivery that reached no app."""

    queue: str
    """The queue it lay in."""
    reason: str
    """Why, in words."""
    routing_key: str
    headers: str
    """Every header, as JSON."""
    envelope: Envelope
    """Its destination is empty when it was sent to no address; its id when the producer gave none."""
    arrived_us: int


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter as it is listed, without its body."""

    number: int
    queue: str
    reason: str
    routing_key: str
    arrived_us: int
    message_id: str
    destination: str
    amqp_user: str
    source: str
    kind: str
    body_size: int
    """In bytes, as it was sent."""
    state: Fate
    who: str | None
    at_us: int | None
    result: str | None
    """What came of a replay."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What a listing leaves out."""

    headers: str
    body: bytes
    content_type: str
    version: int
    correlation_id: str
    call_id: str
    reply_to: str


ROW = tuple(dead_letters.c[name] for name in DeadLetterRow.__dataclass_fields__)
REMAINS = tuple(dead_letters.c[name] for name in Remains.__dataclass_fields__)


def keep_dead_letters(database: Database, letters: Sequence[DeadLetter], *, max_bytes: int) -> int:
    """Commit dead letters; of a body above ``max_bytes`` its beginning is kept. Return how many are new.

    Raises TableUnavailable.
    """
    with database.write() as connection:
        return KEEP.execute(connection, [_row(letter, max_bytes) for letter in letters])


def list_dead_letters(database: Database, *, every: bool = False, limit: int) -> Iterator[list[DeadLetterRow]]:
    """Yield the newest ``limit`` dead letters, oldest first, in chunks: those nobody decided on, or ``every`` one.

    Raises TableUnavailable.
    """
    number = dead_letters.c.number
    wanted = sa.true() if every else dead_letters.c.state == Fate.KEPT.value
    with database.read() as connection:
        newest = connection.execute(sa.select(sa.func.max(number))).scalar() or 0
        query = sa.select(number).where(wanted).order_by(number.desc()).limit(1).offset(min(limit, LARGEST) - 1)
        after = (connection.execute(query).scalar() or 1) - 1
    while True:
        query_rows = sa.select(*ROW).where(wanted, number > after, number <= newest).order_by(number).limit(CHUNK)
        with database.read() as connection:
            rows = [to_dead_letter_row(row) for row in connection.execute(query_rows)]
        if not rows:
            return
        yield rows
        after = rows[-1].number


def read_dead_letter(database: Database, number: int) -> tuple[DeadLetterRow, Remains]:
    """Return one dead letter with its body. Raises NotFound, TableUnavailable."""
    query = sa.select(*ROW, *REMAINS).where(dead_letters.c.number == min(number, LARGEST))
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no dead letter {number}; see interapp dead-letters --all")
    remains = Remains(*row[len(ROW) :])
    # PostgreSQL's driver may hand out a view of its buffer.
    return to_dead_letter_row(row[: len(ROW)]), replace(remains, body=bytes(remains.body))


def to_dead_letter_row(row: Any) -> DeadLetterRow:
    """Return a row that was read with the columns ROW."""
    values = dict(zip(DeadLetterRow.__dataclass_fields__, row, strict=True))
    return DeadLetterRow(**values | {"state": Fate(values["state"])})


def _row(letter: DeadLetter, max_bytes: int) -> dict[str, object]:
    envelope = storable(letter.envelope)
    return {
        "queue": letter.queue,
        "reason": clean(letter.reason),
        "routing_key": clean(letter.routing_key),
        "headers": clean(letter.headers),
        "arrived_us": letter.arrived_us,
        "message_id": envelope.message_id,
        "destination": envelope.destination,
        "amqp_user": envelope.user,
        "call_id": envelope.call_id,
        "source": envelope.source,
        "kind": envelope.kind,
        "version": envelope.version,
        "content_type": envelope.content_type,
        "correlation_id": envelope.correlation_id,
        "reply_to": envelope.reply_to,
        "traceparent": envelope.traceparent,
        "sent_us": envelope.sent_us,
        "body": envelope.body[:max_bytes],
        "body_size": len(envelope.body),
        "digest": sha256(envelope.body).hexdigest(),
    }

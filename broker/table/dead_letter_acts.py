"""What an operator does to dead letters: replay, discard. Each act is one transaction over all of them, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import IllegalMove, NotFound
from broker.lifecycle.address import checked_address
from broker.lifecycle.clock import Clock, to_iso
from broker.lifecycle.ids import derived_id
from broker.messages.envelope import Envelope
from broker.table import call_parts
from broker.table.columns import Columns
from broker.table.database import Database
from broker.table.dead_letters import Fate
from broker.table.envelopes import to_row
from broker.table.history import INSERT_HISTORY, entry
from broker.table.queries import CHUNK
from broker.table.schema import dead_letters, messages, tombstones


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one replay."""

    number: int
    message_id: str
    destination: str
    standing: str
    """State of the row when there was one already; empty when the replay made it."""


def replay(
    database: Database, clock: Clock, numbers: Sequence[int], who: str, *, to: str | None = None
) -> list[Replayed]:
    """Make rows of dead letters for the apps they were sent to, or for ``to``; return what came of each, in order.

    A message that has its row already gets no other. Raises ValueError when ``to`` is no address; IllegalMove, and nothing
    is changed, when one was decided on before, has no valid destination, lost a part of its body, or was handled and
    purged; NotFound, TableUnavailable.
    """
    address = None if to is None else checked_address(to)
    with database.write() as connection:
        rows = _locked(connection, numbers)
        now_us = clock.now_us()
        return [_replay(connection, row, address, who, now_us) for row in rows]


def discard(database: Database, clock: Clock, numbers: Sequence[int], who: str) -> None:
    """Note that nobody needs these; they stay readable. Raises IllegalMove, NotFound, TableUnavailable."""
    with database.write() as connection:
        for row in _locked(connection, numbers):
            _decide(connection, row, Fate.DISCARDED, who, clock.now_us(), None)


def _replay(connection: Connection, row: Any, to: str | None, who: str, now_us: int) -> Replayed:
    envelope = _envelope(row, to, now_us)
    identity = (envelope.message_id, envelope.destination, envelope.user)
    standing = _state(connection, messages, identity)
    if standing is None:
        buried = _state(connection, tombstones, identity)
        if buried is not None:
            raise IllegalMove(
                f"dead letter {row.number} cannot be replayed: its message ended ({buried}) before and was purged;"
                f" interapp dead-letters discard {row.number}"
            )
        # Its app's worker finds it within a second; there is nobody who would publish it for another RabbitMQ user.
        call_size = 0 if envelope.call_id else 1
        call_parts.insert(connection, Columns.of([to_row(envelope) | {"call_size": call_size}]))
    seq = connection.execute(sa.select(messages.c.seq).where(*_is(messages, identity))).scalar_one()
    detail = f"dead letter {row.number}: {row.reason}"
    INSERT_HISTORY.execute(connection, [entry(seq, now_us, "dead letter replayed", 0, who, detail)])
    result = f"its row at {envelope.destination} was there already ({standing})" if standing else envelope.destination
    _decide(connection, row, Fate.REPLAYED, who, now_us, result)
    return Replayed(row.number, envelope.message_id, envelope.destination, standing or "")


def _envelope(row: Any, to: str | None, now_us: int) -> Envelope:
    destination = to or row.destination
    if not destination:
        raise IllegalMove(
            f"dead letter {row.number} cannot be replayed: {row.routing_key!r} is no address of an app;"
            " say where it shall go with --to ADDRESS"
        )
    if len(row.body) < row.body_size:
        raise IllegalMove(
            f"dead letter {row.number} cannot be replayed: only {len(row.body)} of its {row.body_size} bytes were kept"
        )
    return Envelope(
        message_id=row.message_id or derived_id("dead letter", row.number, row.digest),
        kind=row.kind,
        body=bytes(row.body),
        destination=destination,
        source=row.source,
        call_id=row.call_id,
        correlation_id=row.correlation_id,
        reply_to=row.reply_to,
        content_type=row.content_type,
        version=row.version,
        # Without its deadline: it would expire at once, and whoever replays knows how late it is.
        traceparent=row.traceparent,
        sent_us=row.sent_us or now_us,
        user=row.amqp_user,
    )


def _decide(connection: Connection, row: Any, fate: Fate, who: str, now_us: int, result: str | None) -> None:
    connection.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.number == row.number)
        .values(state=fate.value, who=who, at_us=now_us, result=result)
    )


def _locked(connection: Connection, numbers: Sequence[int]) -> list[Any]:
    """Return the letters in the order of the numbers, locked until the transaction ends; nobody decided on them yet."""
    found: dict[int, Any] = {}
    for start in range(0, len(numbers), CHUNK):
        query = sa.select(dead_letters).where(dead_letters.c.number.in_(numbers[start : start + CHUNK]))
        found |= {
            row.number: row for row in connection.execute(query.order_by(dead_letters.c.number).with_for_update())
        }
    for number in numbers:
        if number not in found:
            raise NotFound(f"there is no dead letter {number}; see interapp dead-letters --all. Nothing was changed")
        row = found[number]
        if row.state != Fate.KEPT:
            raise IllegalMove(
                f"dead letter {number} was {row.state} by {row.who} at {to_iso(row.at_us)}; nothing was changed"
            )
    return [found[number] for number in dict.fromkeys(numbers)]


def _state(connection: Connection, table: sa.Table, identity: tuple[str, str, str]) -> str | None:
    return connection.execute(sa.select(table.c.state).where(*_is(table, identity))).scalar()


def _is(table: sa.Table, identity: tuple[str, str, str]) -> tuple[sa.ColumnElement[bool], ...]:
    message_id, destination, user = identity
    return table.c.id == message_id, table.c.destination == destination, table.c.amqp_user == user

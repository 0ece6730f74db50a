"""Calls as an operator sees them: messages that were sent together, and how far they are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from broker.errors import NotFound
from broker.lifecycle.state import State
from broker.table.call_parts import CALL, is_of_part
from broker.table.database import Database
from broker.table.envelopes import clean
from broker.table.queries import LARGEST, ROW, SHOWN_CANDIDATES, HandlerRow, any_named, to_handler_row
from broker.table.schema import call_parts, messages


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call. Times are microseconds since 1970."""

    id: str
    source: str
    destination: str
    amqp_user: str
    size: int | None
    """How many messages it has; None when its producer did not say."""
    stop_on_failure: bool
    states: dict[State, int]
    """How many of its messages the table has, by state; purged ones are not among them."""
    sent_us: int
    finished_us: int | None
    """When the last of them became final; None while one is not."""


def list_calls(database: Database, parties: Sequence[str] = (), *, limit: int) -> list[CallRow]:
    """Return the newest calls in the order in which they were sent; with ``parties`` those that one of them sends or handles.

    A name that ends in ``.*`` stands for everything below it. Raises TableUnavailable.
    """
    wanted = (any_named(parties, call_parts.c.source, call_parts.c.destination),) if parties else ()
    return _read(database, *wanted, limit=limit)


def find_call(database: Database, part: str, *, app: str | None = None) -> CallRow:
    """Return the one call whose id is, ends in, or contains the part; the first of these that fits any call decides.

    ``app`` is its destination. Raises NotFound when no call fits, or when several do, naming them; TableUnavailable.
    """
    part = clean(part)
    if not part:
        raise NotFound("an id is missing; see interapp calls")
    there = () if app is None else (call_parts.c.destination == clean(app),)
    fits = (
        call_parts.c.call_id == part,
        call_parts.c.call_id.endswith(part, autoescape=True),
        call_parts.c.call_id.contains(part, autoescape=True),
    )
    for condition in fits:
        found = _read(database, condition, *there, limit=SHOWN_CANDIDATES + 1)
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(_ambiguous(part, found))
    raise NotFound(f"no call {f'to {app} ' if app else ''}has {part!r} in its id; see interapp calls --limit 1000")


def read_call(database: Database, call: CallRow) -> list[HandlerRow]:
    """Return the messages of a call in the order in which they were sent. Raises TableUnavailable."""
    identity = (call.id, call.source, call.destination, call.amqp_user)
    query = (
        sa.select(*ROW)
        .join_from(call_parts, messages, is_of_part())
        .where(*(column == value for column, value in zip(CALL, identity, strict=True)))
        .distinct()
        .order_by(messages.c.seq)
    )
    with database.read() as connection:
        return [to_handler_row(row) for row in connection.execute(query)]


def _read(database: Database, *conditions: sa.ColumnElement[bool], limit: int) -> list[CallRow]:
    last_seq = sa.func.max(call_parts.c.last_seq)
    newest = (
        sa.select(
            *CALL,
            sa.func.max(call_parts.c.call_size).label("size"),
            sa.func.max(sa.case((call_parts.c.stop_on_failure, 1), else_=0)).label("stop_on_failure"),
            sa.func.min(call_parts.c.sent_us).label("sent_us"),
            last_seq.label("last_seq"),
        )
        .where(*conditions)
        .group_by(*CALL)
        .order_by(last_seq.desc())
        .limit(min(limit, LARGEST))
        .subquery("newest")
    )
    # Parts of a foreign call that were written at the same time may reach into each other: a row counts once all the same.
    numbers = [
        sa.func.count(sa.distinct(sa.case((messages.c.state == state, messages.c.seq)))).label(state) for state in State
    ]
    query = (
        sa.select(*newest.c, sa.func.max(messages.c.finished_us).label("finished_us"), *numbers)
        .join_from(newest, call_parts, sa.and_(*(newest.c[column.name] == column for column in CALL)))
        .join(messages, is_of_part())
        .group_by(*newest.c)
        .order_by(newest.c.last_seq)
    )
    with database.read() as connection:
        return [_to_call(row) for row in connection.execute(query)]


def _to_call(row: Any) -> CallRow:
    states = Counter({state: int(getattr(row, state.value)) for state in State})
    finished = sum(states[state] for state in State if not state.final) == 0
    return CallRow(
        id=row.call_id,
        source=row.source,
        destination=row.destination,
        amqp_user=row.amqp_user,
        size=row.size or None,
        stop_on_failure=bool(row.stop_on_failure),
        states=dict(states),
        sent_us=row.sent_us,
        finished_us=row.finished_us if finished else None,
    )


def _ambiguous(part: str, found: Sequence[CallRow]) -> str:
    if len({call.id for call in found}) == 1:
        apps = ", ".join(sorted({call.destination for call in found}))
        return f"call {part} went to several apps ({apps}) or came from several senders; add --app"
    shown = ", ".join(f"{call.id} (to {call.destination})" for call in found[:SHOWN_CANDIDATES])
    more = ", …" if len(found) > SHOWN_CANDIDATES else ""
    return f"{part!r} is in several ids: {shown}{more}; give more of it"

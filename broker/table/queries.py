"""What is read from the handler table, for waiting requests and for the command line.

Listings are read in chunks, each in a transaction of its own: a reader that takes its time holds nothing up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from broker.errors import NotFound
from broker.lifecycle.state import Reason, State
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.envelopes import clean
from broker.table.outbox import is_of_entry
from broker.table.query import Query
from broker.table.schema import history, messages

CHUNK = 500
"""Rows that are in memory at a time."""

LARGEST = 2**63 - 1
"""The largest number that either database can count to."""

SHOWN_CANDIDATES = 5
"""How many candidates an error names when an id is not unambiguous."""

STATES = {state.value: state for state in State}


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request stands; ``reply`` is JSON."""

    state: State
    reason: str
    error: str
    reply_kind: str | None
    reply: str | None
    reply_version: int | None = None


@dataclass(frozen=True, slots=True)
class HandlerRow:
    """One message and the handler's side of it, without its body. Times are microseconds since 1970."""

    seq: int
    id: str
    call_id: str
    kind: str
    version: int
    source: str
    destination: str
    amqp_user: str
    handler: str | None
    state: State
    reason: str | None
    error: str | None
    attempts: int
    max_attempts: int | None
    worker: str | None
    epoch: int
    priority: int
    sent_us: int
    received_us: int | None
    started_us: int | None
    finished_us: int | None
    due_us: int
    phase: str | None
    reply_kind: str | None
    reply: str | None
    """JSON."""
    cancel_requested: bool
    progress: str | None
    """JSON: how far its handler said it is."""

    @property
    def changed_us(self) -> int:
        """The newest of its times."""
        return max(self.sent_us, self.received_us or 0, self.started_us or 0, self.finished_us or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The rest of a message: its body and what a listing leaves out."""

    body: bytes
    body_size: int
    """In bytes, as it was sent: of a body that is too large only the beginning is kept."""
    content_type: str
    correlation_id: str
    reply_to: str
    deadline_ms: int | None
    generation: int
    crashes: int
    published: bool
    """RabbitMQ has confirmed it, or its handler has ended and it needs no confirm any more."""
    phases: str | None
    """JSON: a list of [phase, microseconds] of the last run; None for a handler without phases."""
    call_size: int
    stop_on_failure: bool


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An attempt that did not succeed, or what an operator did."""

    at_us: int
    what: str
    attempt: int
    who: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows are asked for; what is empty asks for nothing in particular.

    A name that ends in ``.*`` stands for everything below it: ``m1000-a.*`` for the chassis' children.
    """

    states: frozenset[State] = frozenset()
    reasons: frozenset[Reason] = frozenset()
    apps: tuple[str, ...] = ()
    """Who handles it."""
    parties: tuple[str, ...] = ()
    """Who sends or handles it."""
    kinds: tuple[str, ...] = ()
    since_us: int | None = None
    """Sent, started or finished at this time or later."""
    complete: bool = False
    """Its whole body was kept."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what a row must fulfil."""
        found: list[sa.ColumnElement[bool]] = []
        if self.states:
            found.append(messages.c.state.in_(sorted(self.states)))
            # Named as the partial indexes name them, so that a few open rows among millions are found at once.
            if self.states <= {State.FAILED}:
                found.append(sa.text("failed"))  # type: ignore[arg-type] # a condition, as where() takes it
            elif not any(state.final for state in self.states):
                found.append(sa.text("open"))  # type: ignore[arg-type] # as above
        if self.reasons:
            found += [messages.c.reason.in_(sorted(self.reasons)), sa.text("failed")]  # type: ignore[list-item] # as above
        if self.apps:
            found.append(any_named(self.apps, messages.c.destination))
        if self.parties:
            found.append(any_named(self.parties, messages.c.source, messages.c.destination))
        if self.kinds:
            found.append(any_named(self.kinds, messages.c.kind))
        if self.since_us is not None:
            times = (messages.c.sent_us, messages.c.started_us, messages.c.finished_us)
            found.append(sa.or_(*(time >= self.since_us for time in times)))
        if self.complete:
            found.append(sa.func.length(messages.c.body) == messages.c.body_size)
        return found


ROW = tuple(messages.c[name] for name in HandlerRow.__dataclass_fields__)
"""The columns of a HandlerRow, in its order."""

STATE_POSITION = list(HandlerRow.__dataclass_fields__).index("state")

_COMPUTED = {"published": ~sa.exists().where(is_of_entry()).correlate(messages)}
LETTER = tuple(
    _COMPUTED[name].label(name) if name in _COMPUTED else messages.c[name] for name in Letter.__dataclass_fields__
)
"""The columns of a Letter."""

ENTRY = tuple(history.c[name] for name in HistoryEntry.__dataclass_fields__)
EVERY_ROW = Wanted()


_ANSWER = Query(
    "SELECT state, reason, error, reply_kind, reply, reply_version FROM messages"
    " WHERE id = :id AND destination = :destination AND amqp_user = :user"
)


def find_answers(database: Database, envelopes: Sequence[Envelope]) -> dict[str, Answer]:
    """Return how the messages of a call stand, by message id. Raises TableUnavailable."""
    found: dict[str, Answer] = {}
    for start in range(0, len(envelopes), CHUNK):
        part = envelopes[start : start + CHUNK]
        query = sa.select(
            messages.c.id,
            messages.c.state,
            messages.c.reason,
            messages.c.error,
            messages.c.reply_kind,
            messages.c.reply,
        ).where(
            messages.c.id.in_([envelope.message_id for envelope in part]),
            messages.c.destination == part[0].destination,
            messages.c.amqp_user == part[0].user,
        )
        with database.read() as connection:
            for row in connection.execute(query):
                found[row.id] = Answer(State(row.state), row.reason or "", row.error or "", row.reply_kind, row.reply)
    return found


def find_answer(database: Database, envelope: Envelope) -> Answer | None:
    """Return how the request stands; None when it has no row. Raises TableUnavailable."""
    identity = {"id": envelope.message_id, "destination": envelope.destination, "user": envelope.user}
    for state, reason, error, reply_kind, reply, reply_version in _ANSWER.rows_at_once(database, identity):
        return Answer(State(state), reason or "", error or "", reply_kind, reply, reply_version)
    return None


def list_handlers(database: Database, wanted: Wanted = EVERY_ROW, *, limit: int) -> Iterator[list[HandlerRow]]:
    """Yield the newest ``limit`` rows in the order in which they were sent, in chunks. Raises TableUnavailable."""
    conditions = wanted.conditions()
    with database.read() as connection:
        newest = connection.execute(sa.select(sa.func.max(messages.c.seq))).scalar()
        listed = (
            sa.select(messages.c.seq)
            # Of what was there a moment ago: PostgreSQL shows this statement what was committed since, and newer rows than that
            # may be as many as are asked for.
            .where(messages.c.seq <= (newest or 0), *conditions)
            .order_by(messages.c.seq.desc())
            .limit(min(limit, LARGEST))
            .subquery()
        )
        first = connection.execute(sa.select(sa.func.min(listed.c.seq))).scalar()
    while newest is not None and first is not None:
        query = sa.select(*ROW).where(messages.c.seq >= first, messages.c.seq <= newest, *conditions)
        with database.read() as connection:
            rows = [to_handler_row(row) for row in connection.execute(query.order_by(messages.c.seq).limit(CHUNK))]
        if rows:
            yield rows
        # What comes after the last one is looked for only where there may be some: of a filter that little fulfils, that is a
        # look through most of the table.
        first = rows[-1].seq + 1 if len(rows) == CHUNK else None


def find_handler(database: Database, part: str, *, app: str | None = None) -> HandlerRow:
    """Return the one row whose id is, ends in, or contains the part; the first of these that fits any row decides.

    ``app`` is its destination. Raises NotFound when no row fits, or when several do, naming them; TableUnavailable.
    """
    part = clean(part)
    if not part:
        raise NotFound("an id is missing; see interapp handlers")
    fits = (
        messages.c.id == part,
        messages.c.id.endswith(part, autoescape=True),
        messages.c.id.contains(part, autoescape=True),
    )
    for condition in fits:
        query = sa.select(*ROW).where(condition).order_by(messages.c.seq.desc()).limit(SHOWN_CANDIDATES + 1)
        if app is not None:
            query = query.where(messages.c.destination == clean(app))
        with database.read() as connection:
            found = [to_handler_row(row) for row in connection.execute(query)]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(_ambiguous(part, found))
    raise NotFound(
        f"no message {f'to {app} ' if app else ''}has {part!r} in its id; see interapp handlers --limit 1000"
    )


def read_letter(database: Database, seq: int) -> Letter:
    """Return the body of a row and what belongs to it. Raises NotFound, TableUnavailable."""
    with database.read() as connection:
        row = connection.execute(sa.select(*LETTER).where(messages.c.seq == seq)).one_or_none()
    if row is None:
        raise NotFound(f"row {seq} is no longer there: it was purged")
    return Letter(**row._asdict() | {"body": bytes(row.body)})


def read_history(database: Database, seq: int) -> list[HistoryEntry]:
    """Return what happened to a row, oldest first. Raises TableUnavailable."""
    query = sa.select(*ENTRY).where(history.c.seq == seq).order_by(history.c.number)
    with database.read() as connection:
        return [HistoryEntry(*row) for row in connection.execute(query)]


def any_named(names: Sequence[str], *columns: sa.Column[str]) -> sa.ColumnElement[bool]:
    """Return whether any of the columns has one of the names, or one below it when that ends in ``.*``."""
    return sa.or_(*(_named(column, name) for name in names for column in columns))


def _named(column: sa.Column[str], name: str) -> sa.ColumnElement[bool]:
    name = clean(name)
    return column.startswith(name[:-1], autoescape=True) if name.endswith(".*") else column == name


def to_handler_row(row: Any) -> HandlerRow:
    """Return a row that was read with the columns ROW."""
    # By position, for speed: there may be a million of them.
    before, state, after = row[:STATE_POSITION], row[STATE_POSITION], row[STATE_POSITION + 1 :]
    return HandlerRow(*(*before, STATES[state], *after))


def _ambiguous(part: str, found: Sequence[HandlerRow]) -> str:
    if len({row.id for row in found}) == 1:
        apps = ", ".join(sorted(row.destination for row in found))
        return f"message {part} went to several apps ({apps}); add --app, or give more of another id"
    shown = ", ".join(f"{row.id} ({row.kind}, {row.state})" for row in found[:SHOWN_CANDIDATES])
    more = ", …" if len(found) > SHOWN_CANDIDATES else ""
    return f"{part!r} is in several ids: {shown}{more}; give more of it"

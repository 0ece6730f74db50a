"""A handler table in the test's folder, and rows in every state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from broker.cli.root import interapp
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import Reason, State
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.leases import Leases
from broker.table.queries import HandlerRow, find_handler
from broker.table.rows import Claimed, HandlerFacts, Settlement
from broker.table.store import HandlerTable
from broker.table.upgrade import upgrade


class Rows:
    """Makes rows as senders and workers make them. Make the waiting ones of an app last: a claim takes the oldest."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.table = HandlerTable(database, clock)
        self._leases = Leases(database, clock)

    def waiting(
        self, kind: str = "t.ping", to: str = "t1", body: bytes = b"{}", message_id: str = "", user: str = ""
    ) -> HandlerRow:
        envelope = Envelope(
            message_id=message_id or new_id(),
            kind=kind,
            body=body,
            destination=to,
            source="sender",
            call_id="call",
            sent_us=self.clock.now_us(),
            user=user,
        )
        self.table.accept(Effects(sent=(envelope,)), app="sender")
        return self.row(envelope.message_id, to)

    def processing(self, kind: str = "t.ping", to: str = "t1") -> HandlerRow:
        sent = self.waiting(kind, to)
        self._claim(to)
        return self.row(sent.id, to)

    def final(
        self,
        state: State,
        reason: Reason | None = None,
        error: str = "",
        reply: str | None = None,
        kind: str = "t.ping",
        phase: str | None = None,
        phases: str | None = None,
    ) -> HandlerRow:
        sent = self.waiting(kind)
        claimed = self._claim(sent.destination)
        self.clock.advance(0.25)
        self._settle(
            claimed,
            Settlement(
                row=claimed,
                state=state,
                reason=reason,
                error=error or None,
                reply=reply,
                phase=phase,
                phases=phases,
                started_us=self.clock.now_us() - 250_000,
                finished_us=self.clock.now_us(),
            ),
        )
        return self.row(sent.id, sent.destination)

    def copies(self, row: HandlerRow, number: int, state: State = State.WAITING) -> None:
        """Add rows like one, with ids `copy-1` and on."""
        columns = (
            "destination, amqp_user, call_id, source, kind, version, content_type, correlation_id, reply_to, traceparent,"
            " body, body_size, sent_us"
        )
        statement = (
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number) "
            f"INSERT INTO messages (id, state, {columns}) SELECT 'copy-' || i, :state, {columns} FROM messages, n WHERE seq = :seq"
        )
        with self.database.write() as connection:
            connection.execute(sa.text(statement), {"number": number, "state": state.value, "seq": row.seq})

    def succeed(self, app: str = "t1") -> None:
        """Claim and end the oldest row of an app."""
        claimed = self._claim(app)
        self._settle(claimed, Settlement(row=claimed, state=State.SUCCEEDED, finished_us=self.clock.now_us()))

    def row(self, message_id: str, to: str) -> HandlerRow:
        return find_handler(self.database, message_id, app=to)

    def _claim(self, app: str) -> Claimed:
        self._lease = self._leases.take(app, f"{app}@host:1/aa")
        claimed, _ = self.table.claim(
            self._lease, lambda _kind: HandlerFacts("package.handle", 3), limit=1, arrivals={}
        )
        return claimed[0]

    def _settle(self, claimed: Claimed, settlement: Settlement) -> None:
        assert not self.table.settle(self._lease, [settlement]).refused


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with our tables; the settings of the test's process name it."""
    for name in os.environ:
        if name.startswith("INTERAPP_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'interapp.db'}")
    database = Database(f"sqlite:///{tmp_path / 'interapp.db'}")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def rows(database: Database) -> Rows:
    """Makes rows in the database."""
    return Rows(database, ManualClock())


class Cli:
    """Runs the command line in this process."""

    def __call__(self, *args: str, stdin: str = "") -> Result:
        return CliRunner().invoke(interapp, list(args), input=stdin)


@pytest.fixture
def cli(database: Database) -> Cli:
    """The command line, with the test's database."""
    return Cli()

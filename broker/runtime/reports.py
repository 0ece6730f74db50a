"""Takes what running handlers report to the table, and rings whoever waits for it."""

from dataclasses import dataclass

from broker.lifecycle.clock import Clock
from broker.lifecycle.record import record
from broker.runtime.outgoing import Outgoing
from broker.runtime.running import Running
from broker.table.database import Database
from broker.table.reports import add_reply, write_progress


@dataclass(frozen=True, slots=True)
class Reports:
    """What reports of one app's handlers go through."""

    database: Database
    clock: Clock
    outgoing: Outgoing


@record
class RunReporter:
    """The reports of one run."""

    reports: Reports
    running: Running

    def reply(self, kind: str, body: str) -> None:
        """Commit a partial reply (JSON), then ring. Raises TableUnavailable; Superseded when the run does not count any more."""
        row, lease, reports = self.running.row, self.running.lease, self.reports
        add_reply(reports.database, reports.clock, lease, row, kind=kind, body=body)
        if row.doorbell:
            reports.outgoing.ring([(row.doorbell, row.envelope.message_id)])

    def progress(self, progress: str) -> None:
        """Note how far the run is (JSON); the thread that watches handlers writes it down."""
        self.running.progress = progress


def show_progress(database: Database, running: Running) -> None:
    """Write down how far a run is, if it said something new. Raises TableUnavailable."""
    newest = running.progress
    if newest is not None and newest != running.shown:
        write_progress(database, running.lease, running.row, newest)
        running.shown = newest

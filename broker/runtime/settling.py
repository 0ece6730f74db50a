"""Commits outcomes, then lets the world know: rows that follow are published, who waits is rung."""

from collections.abc import Sequence

import structlog

from broker.errors import Superseded, TableError, TableUnavailable
from broker.handlers.outcome import Failed, Retry
from broker.handlers.run import shortened
from broker.lifecycle.state import Reason
from broker.runtime.middleware.hooks import NO_HOOKS, Hooks
from broker.runtime.outgoing import Outgoing
from broker.runtime.settlements import to_settlement
from broker.table.rows import Claimed, Lease, Settled, Settlement
from broker.table.store import HandlerTable

log = structlog.get_logger("interapp.worker")


class Settling:
    """The way from outcomes to the table, for one process."""

    def __init__(self, table: HandlerTable, outgoing: Outgoing, hooks: Hooks = NO_HOOKS) -> None:
        self._hooks = hooks
        self._table = table
        self._outgoing = outgoing

    def settle(self, lease: Lease, done: Sequence[Settlement], rest: Sequence[Claimed]) -> None:
        """Commit outcomes and give the rest back, then publish and ring. Safe to repeat.

        Raises TableUnavailable, Superseded.
        """
        settled, stored = self._settle(lease, done, rest)
        for row in settled.refused:
            log.warning("outcome refused: the row was no longer ours", app=lease.app, id=row.envelope.message_id)
        self._outgoing.publish(settled.to_publish, settled.to_announce)
        self._outgoing.ring(settled.to_ring)
        if self._hooks.settles:
            refused = {row.seq for row in settled.refused}
            kept = [item for item in stored if item.row.seq not in refused]
            if kept:
                self._hooks.settled(lease.app, kept)

    def _settle(
        self, lease: Lease, done: Sequence[Settlement], rest: Sequence[Claimed]
    ) -> tuple[Settled, Sequence[Settlement]]:
        """Return what is left to do, and the outcomes as they were stored or refused."""
        try:
            return self._table.settle(lease, done, rest), done
        except (TableUnavailable, Superseded):
            raise
        except TableError:
            # One of the outcomes cannot be stored. Alone, each shows whether it is the one; it must not stop the slot.
            settled, stored, lost = self._table.settle(lease, [], rest), list[Settlement](), False
            for item in done:
                wanted = _run_again(item) if lost and item.read_documents else item
                alone, kept = self._settle_alone(lease, wanted)
                lost = lost or (kept is not item and bool(item.effects.documents))
                settled += alone
                stored.append(kept)
            return settled, stored

    def _settle_alone(self, lease: Lease, item: Settlement) -> tuple[Settled, Settlement]:
        try:
            return self._table.settle(lease, [item]), item
        except (TableUnavailable, Superseded):
            raise
        except TableError as exc:
            log.warning("an outcome cannot be stored", app=lease.app, id=item.row.envelope.message_id, error=str(exc))
            failed = to_settlement(
                item.row,
                Failed(Reason.ERROR, shortened(f"its outcome cannot be stored: {exc}")),
                started_us=item.started_us,
                finished_us=item.finished_us,
                phases=item.phases,
            )
            return self._table.settle(lease, [failed]), failed


def _run_again(item: Settlement) -> Settlement:
    """Return another run for a message whose handler may have read documents that were never kept."""
    return to_settlement(
        item.row,
        Retry(0.0, "it may have read what the outcome before it wrote, which could not be stored", counted=False),
        started_us=item.started_us,
        finished_us=item.finished_us,
        phases=item.phases,
    )

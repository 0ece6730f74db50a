"""A worker's claims: under which lease, of how many rows, and of the next ones while the present ones run."""

from collections.abc import Callable, Mapping, Sequence
from math import inf

from broker.errors import TableUnavailable
from broker.lifecycle.clock import Clock, WallWatch
from broker.runtime.ahead import Ahead, Claim, begin
from broker.runtime.holding import Holding
from broker.runtime.pace import Pace
from broker.table.rows import Claimed, FactsOf, Lease
from broker.table.store import HandlerTable

AHEAD_FROM_ROWS = 10
"""How large a batch must be for the next one to be claimed while it runs: handlers that take their time wait for no claim."""

Arrivals = Callable[[], Mapping[tuple[str, str], int]]
"""When each delivery at hand came: (message id, user) to microseconds since 1970."""


class Claims:
    """Those of one worker, for its thread; ``rows_at_hand`` is for any."""

    def __init__(
        self, app: str, holding: Holding, table: HandlerTable, clock: Clock, arrivals: Arrivals, facts_of: FactsOf
    ) -> None:
        self._app = app
        self._holding = holding
        self._table = table
        self._clock = clock
        self._arrivals = arrivals
        self._facts_of = facts_of
        self._wall = WallWatch(clock)
        self._released = False
        self._unclear = False
        self._ahead: Ahead | None = None
        self.begin = begin
        self.pace = Pace()
        # SQLite does its work in this process and lets one write at a time: claim and outcomes would only hinder each other.
        self.ahead_from: float = inf if table.database.is_sqlite else AHEAD_FROM_ROWS

    @property
    def pending(self) -> bool:
        """Whether a claim made ahead is under way, or its rows are not taken yet."""
        return self._ahead is not None

    def take(self, lease: Lease) -> Claim:
        """Return what was claimed ahead, or else claim now. Raises Superseded, TableUnavailable."""
        ahead, self._ahead = self._ahead, None
        claim = None if ahead is None else ahead.take()
        return self._claim(self._ready(lease), ahead=False) if claim is None else claim

    def begin_ahead(self, after: Claim) -> None:
        """Begin to claim the next rows, if there are any, while those of a claim run."""
        if after.more and len(after.rows) >= self.ahead_from:
            self._ahead = self.begin(lambda: self._claim(after.lease, ahead=True), f"claim {self._app}")

    def call_off(self) -> Claim | None:
        """Return what was claimed ahead, when its claim has ended: it is to be given back. Raises Superseded."""
        ahead, self._ahead = self._ahead, None
        try:
            return None if ahead is None else ahead.take()
        except TableUnavailable:
            # Nobody knows what it took: the next claim sees to that.
            return None

    def rows_at_hand(self) -> Sequence[Claimed]:
        """Return the rows that were claimed ahead, if that has ended well; they are the caller's now."""
        ahead = self._ahead
        return () if ahead is None else ahead.take_rows_at_hand()

    def lease_lost(self) -> None:
        """Forget what was claimed ahead: it is another's now."""
        self._ahead = None
        self._released = False

    def forget(self) -> None:
        """Take it for unknown what was claimed."""
        self._ahead = None
        self._unclear = True

    def _ready(self, lease: Lease) -> Lease:
        """Make claimable what a claim of unknown end, or a clock that was set back, withholds; return the lease to claim under."""
        if self._unclear:
            # Nobody knows what the last claim took, if its commit came through: a new epoch makes those rows claimable.
            lease = self._holding.renew_epoch(lease)
            self._unclear = False
        if self._wall.set_back() or not self._released:
            # The predecessor's clock, or ours before a restart, may have been ahead.
            self._table.release(lease)
            self._released = True
        return lease

    def _claim(self, lease: Lease, *, ahead: bool) -> Claim:
        limit, asked = self.pace.claim_size(), self._clock.monotonic()
        try:
            rows, more = self._table.claim(lease, self._facts_of, limit=limit, arrivals=self._arrivals(), ahead=ahead)
        except TableUnavailable:
            self._unclear = True
            raise
        return Claim(lease, rows, more, asked, self._clock.monotonic(), ahead)

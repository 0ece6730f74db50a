"""A worker's tenure: whether it is the one that works for its app, as any thread may ask and hear."""

import threading

from broker.errors import Superseded
from broker.runtime.holding import Holding, Post
from broker.table.rows import Lease


class Tenure:
    """What others learn of a worker's lease, and what they tell it: that the lease is lost, that it is to stop.

    Every method is for any thread; ``Holding``, which this looks at, is changed by the worker's own.
    """

    def __init__(self, app: str, worker: str, holding: Holding) -> None:
        self._app = app
        self._worker = worker
        self._holding = holding
        self._lost: Lease | None = None
        self._changed = threading.Condition()
        self.stopping = threading.Event()

    @property
    def lost(self) -> bool:
        """Whether another worker is known to have taken the lease that this one still goes by."""
        return self._lost is not None and self._lost == self._holding.lease

    @property
    def over(self) -> bool:
        """Whether nothing more may be started."""
        return self.stopping.is_set() or self.lost

    def held(self) -> Lease | None:
        """Return the lease that it believes to hold."""
        return None if self.lost else self._holding.lease

    def active(self) -> bool:
        """Tell whether it is the one that works for its app."""
        return self._holding.post is Post.ACTIVE and not self.over

    def wait_active(self, *, active: bool, seconds: float | None) -> bool:
        """Wait until it is the active one, or is not; return whether that came true in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.active() is active, seconds)

    def fence(self) -> Lease:
        """Return the lease that writes outside outcomes must prove; raise Superseded when this worker is not active.

        One that stops still is: its last handler may write until it has ended.
        """
        lease = self.held()
        if lease is None or self._holding.post is not Post.ACTIVE:
            raise Superseded(f"{self._worker} is not the active worker of {self._app}")
        return lease

    def lose(self, lease: Lease) -> bool:
        """Learn that another worker took this lease; return whether it was the present one."""
        if self._holding.lease != lease:
            return False
        self._lost = lease
        self.tell()
        return True

    def stop(self) -> None:
        """Learn that the worker is to stop."""
        self.stopping.set()
        self.tell()

    def tell(self) -> None:
        """Wake whoever waits: where the worker stands has changed."""
        with self._changed:
            self._changed.notify_all()

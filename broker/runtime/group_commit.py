"""Group commit: what several threads send at the same time is committed in one transaction, and published in one go.

While one thread is at the database, those that come meanwhile queue up; the first of them then commits for all. Who comes alone
commits at once and by itself: there is no thread in between, and nobody waits for company.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.errors import TableUnavailable
from broker.messages.effects import Effects
from broker.runtime.outgoing import Outgoing
from broker.table.rows import Lease
from broker.table.store import HandlerTable

MOST_MESSAGES = 200
"""In a transaction of several senders. Who has more gains nothing from company, and would hold it up."""


@dataclass(slots=True, eq=False)
class Sender:
    """A thread that waits until what it sends is committed, and how that ended."""

    effects: Effects
    doorbell: str
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    ended: bool = False
    error: Exception | None = None

    @property
    def size(self) -> int:
        """How many messages and events it sends."""
        return len(self.effects.sent) + len(self.effects.events)


class GroupCommit:
    """The way into the table for all threads of a process that send."""

    def __init__(self, table: HandlerTable, outgoing: Outgoing) -> None:
        self._table = table
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self._queue: list[Sender] = []
        # Somebody leads whenever there is a queue: whoever ends its turn hands it to the first there.
        self._led = False
        self._company = False

    def commit(self, effects: Effects, *, app: str, doorbell: str = "", lease: Lease | None = None) -> None:
        """Commit and publish; returns, and raises, as ``HandlerTable.accept`` does for these alone.

        What cannot be written fails its own sender only; that the database is away is told to each.
        """
        own = Sender(effects, doorbell)
        if lease is not None or effects.documents or own.size > MOST_MESSAGES:
            consignment = self._table.accept(effects, app=app, doorbell=doorbell, lease=lease)
            self._outgoing.publish(consignment, effects.events)
            return
        with self._lock:
            self._queue.append(own)
            own.leads, self._led = not self._led, True
        try:
            if not own.leads:
                own.woken.wait()
            if own.leads:
                self._lead(own, app)
        finally:
            if own.leads or not own.ended:
                self._leave(own)
        if own.error is not None:
            raise own.error

    def _lead(self, own: Sender, app: str) -> None:
        if self._company:
            # Those who were woken with us are about to send again: let them come first, which is no wait when they do not.
            time.sleep(0)
        with self._lock:
            group, self._queue = together(self._queue)
            self._company = len(group) > 1
        try:
            self._commit(group, app)
        finally:
            with self._lock:
                # Only when this thread was interrupted has anybody no outcome. Their ids stay: nothing is written twice.
                self._queue[:0] = [sender for sender in group if not sender.ended and sender is not own]
            for sender in group:
                if sender.ended:
                    sender.woken.set()

    def _leave(self, own: Sender) -> None:
        """Hand the lead over, if it is ours; be waited for no more, should this thread be interrupted."""
        with self._lock:
            own.ended = True
            if own in self._queue:
                self._queue.remove(own)
            if own.leads:
                own.leads, self._led = False, bool(self._queue)
                for successor in self._queue[:1]:
                    successor.leads = True
                    successor.woken.set()

    def _commit(self, group: Sequence[Sender], app: str) -> None:
        effects = group[0].effects if len(group) == 1 else joined(group)
        try:
            consignment = self._table.accept(effects, app=app, doorbell=group[0].doorbell)
        except TableUnavailable as error:
            for sender in group:
                # Each raises one of its own: a thread adds its traceback to what it raises.
                sender.error = type(error)(*error.args)
                sender.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 whatever it is, it goes to the one whose message it is
            if len(group) == 1:
                group[0].error = error
            else:
                half = len(group) // 2
                self._commit(group[:half], app)
                self._commit(group[half:], app)
                return
        else:
            self._outgoing.publish(consignment, effects.events)
        for sender in group:
            sender.ended = True


def together(queue: Sequence[Sender]) -> tuple[list[Sender], list[Sender]]:
    """Return the first of the queue with those who can be in one transaction with it, and the rest; both in their order."""
    group: list[Sender] = []
    rest: list[Sender] = []
    room = MOST_MESSAGES
    for sender in queue:
        if sender.doorbell == queue[0].doorbell and sender.size <= room:
            group.append(sender)
            room -= sender.size
        else:
            rest.append(sender)
    return group, rest


def joined(group: Sequence[Sender]) -> Effects:
    """Return what a group sends, in the order in which its senders came."""
    return Effects(
        tuple(envelope for sender in group for envelope in sender.effects.sent),
        tuple(event for sender in group for event in sender.effects.events),
    )

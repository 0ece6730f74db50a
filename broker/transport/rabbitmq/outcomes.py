"""How published envelopes ended, told in batches."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from broker.errors import TransportError
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.admission import Admission
from broker.transport.rabbitmq.confirms import Sent
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.seam import Settled


class Outcomes:
    """Collects outcomes during one turn of the loop and tells each publisher once. For the I/O thread only."""

    def __init__(self, io: IoThread, admission: Admission) -> None:
        self._io = io
        self._admission = admission
        self._batches: dict[tuple[int, int], tuple[Settled, TransportError | None, list[Envelope]]] = {}

    def add(self, sent: Sequence[Sent], error: TransportError | None) -> None:
        """Note how admitted envelopes ended: confirmed (None), or not and why."""
        for settled, of_one in groupby(sent, attrgetter("settled")):
            self._batch(settled, error).extend([one.envelope for one in of_one])
        self._admission.release([one.envelope for one in sent])

    def refuse(self, envelopes: Sequence[Envelope], settled: Settled, error: TransportError) -> None:
        """Note that envelopes were not admitted."""
        self._batch(settled, error).extend(envelopes)

    def _batch(self, settled: Settled, error: TransportError | None) -> list[Envelope]:
        if not self._batches:
            self._io.soon(self.tell)
        # by identity: callables need not be hashable, and errors never compare equal; both are kept alive by the value
        return self._batches.setdefault((id(settled), id(error)), (settled, error, []))[2]

    def tell(self) -> None:
        """Call everyone whose envelopes have ended."""
        batches, self._batches = self._batches, {}
        for settled, error, envelopes in batches.values():
            self._io.call(settled, envelopes, error)

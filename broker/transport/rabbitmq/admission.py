"""How much may be on its way to RabbitMQ at once."""

import threading
from collections.abc import Sequence

from broker.messages.envelope import Envelope


class Admission:
    """Counts envelopes and their bytes from hand-over to settlement; safe for any thread."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self._count = 0
        self._bytes = 0
        self._lock = threading.Lock()

    def admit(self, envelopes: Sequence[Envelope]) -> int:
        """Return how many of them, from the first on, fit now, and count those.

        One alone always fits: a limit smaller than a message would keep it back for ever.
        """
        with self._lock:
            admitted = 0
            for envelope in envelopes:
                size = len(envelope.body)
                if self._count >= self.most or (self._count and self._bytes + size > self.most_bytes):
                    break
                self._count += 1
                self._bytes += size
                admitted += 1
            return admitted

    def release(self, envelopes: Sequence[Envelope]) -> None:
        """Make room again for what has ended."""
        size = sum(len(envelope.body) for envelope in envelopes)
        with self._lock:
            self._count -= len(envelopes)
            self._bytes -= size

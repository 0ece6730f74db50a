"""An app's documents as its next handler finds them: what is committed, and over it what outcomes wrote that soon will be.

Outcomes of a batch are committed together. The second of two messages that count in a document must find what the first one wrote,
or one of them is lost, however certainly both are committed.
"""

import threading
from collections.abc import Sequence

from broker.handlers.context import DocumentReader
from broker.lifecycle.record import record
from broker.messages.effects import DocumentWrite
from broker.runtime.running import Running


class PendingDocuments:
    """The documents of one app, for the threads of its worker. Reads raise what reading committed ones does."""

    def __init__(self, committed: DocumentReader) -> None:
        self._committed = committed
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, str], DocumentWrite] = {}

    def add(self, writes: Sequence[DocumentWrite]) -> None:
        """Show what an outcome wrote that is about to be committed."""
        if not writes:
            return
        with self._lock:
            self._pending.update(((write.collection, write.key), write) for write in writes)

    def drop(self, writes: Sequence[DocumentWrite]) -> None:
        """Show these no more: they are committed, or never will be. What was written over them since stays."""
        if not writes:
            return
        with self._lock:
            for write in writes:
                if self._pending.get((write.collection, write.key)) is write:
                    del self._pending[(write.collection, write.key)]

    def clear(self) -> None:
        """Show only what is committed."""
        with self._lock:
            self._pending.clear()

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none."""
        # First what is pending: what is committed between the two looks is found by the second one.
        with self._lock:
            write = self._pending.get((collection, key))
        return self._committed.read(collection, key) if write is None else write.body

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON."""
        with self._lock:
            pending = {key: write.body for (of, key), write in self._pending.items() if of == collection}
        found: dict[str, str | None] = {**self._committed.read_all(collection), **pending}
        return {key: body for key, body in found.items() if body is not None}


@record
class RunDocuments:
    """The same for one run, which is known afterwards to have read some: it may have built on an outcome that came to nothing."""

    documents: PendingDocuments
    running: Running

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none."""
        self.running.read_documents = True
        return self.documents.read(collection, key)

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON."""
        self.running.read_documents = True
        return self.documents.read_all(collection)

"""Wakes whoever waits for the outcome of a request."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Replies:
    """Waiting requests of one process, woken by its doorbell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, threading.Event] = {}

    @contextmanager
    def expect(self, *message_ids: str) -> Iterator[threading.Event]:
        """Return an event that is set when the table has an outcome of one of these requests, or a partial reply."""
        rung = threading.Event()
        with self._lock:
            self._waiting.update(dict.fromkeys(message_ids, rung))
        try:
            yield rung
        finally:
            with self._lock:
                for message_id in message_ids:
                    self._waiting.pop(message_id, None)

    def rung(self, message_ids: Sequence[str]) -> None:
        """Wake those who wait for these."""
        with self._lock:
            events = [self._waiting[message_id] for message_id in message_ids if message_id in self._waiting]
        for event in events:
            event.set()

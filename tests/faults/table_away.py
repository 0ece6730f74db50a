"""What holds while the table is away: senders wait or are told, RabbitMQ keeps what has no outcome, nothing runs twice."""

import threading
import time

import ledger_service
from bench import APP, Bench

from broker.errors import TableUnavailable
from broker.runtime.client import Client
from servers.processes import eventually


class LateSender:
    """A thread that sends one message and waits for the table as long as it may."""

    def __init__(self, client: Client, number: int, wait_seconds: float) -> None:
        self.seconds = 0.0
        self.error: Exception | None = None
        self._send = lambda: client.send(ledger_service.Note(number=number), to=APP, wait_for_table=wait_seconds)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"send did not return within {timeout} s"

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self._send()
        except TableUnavailable as exc:
            self.error = exc
        self.seconds = time.monotonic() - began


def check_nothing_acknowledged(bench: Bench, sent: int) -> None:
    """Check that RabbitMQ keeps what has no outcome in the table; its statistics lag behind."""
    open_ = sent - len(bench.started())
    assert open_ > 0
    eventually(lambda: bench.queue().get("messages", 0) >= open_, 6, f"RabbitMQ keeps {open_} messages")


def check_nothing_ran_twice(bench: Bench) -> None:
    """Check that the outcome which could not be committed was kept, and its handler not run again."""
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert len(starts) == len(set(starts)), "nothing ran twice"

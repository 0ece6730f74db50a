"""Several services of one process as one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from broker.runtime.host import Host
from broker.runtime.service import Service


class Together:
    """Starts services in their order and stops them all at once: one that takes its time holds up none of the others."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._waiting = list(services)
        self._started: list[Service] = []

    def start(self, host: Host) -> None:
        """Start what is not started yet; may be called again after it raised. Raises TableUnavailable."""
        while self._waiting:
            self._waiting[0].start(host)
            self._started.append(self._waiting.pop(0))

    def stop(self) -> None:
        """Stop what was started, and wait until all of it has stopped; then raise what the first of them raised, if any."""
        with ThreadPoolExecutor(max(1, len(self._started)), thread_name_prefix="stopping") as pool:
            stopping = [pool.submit(service.stop) for service in self._started]
        for each in stopping:
            each.result()

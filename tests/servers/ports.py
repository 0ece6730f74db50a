"""TCP ports that stay ours over restarts of a server."""

from __future__ import annotations

import random
import socket
from pathlib import Path


class ReservedPort:
    """A port of 127.0.0.1 that no other test process takes until it is released.

    It lies below the ports that the kernel gives to outgoing connections: one of those could sit on it while the
    server is down. The reservation is an abstract Unix socket, which ends with its process and leaves no file.
    """

    def __init__(self) -> None:
        first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
        candidates = list(range(10_000, first_ephemeral)) if first_ephemeral > 11_000 else list(range(10_000, 65_000))
        random.shuffle(candidates)
        for number in candidates:
            reservation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                reservation.bind(f"\0interapp-test-port-{number}")
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    probe.bind(("127.0.0.1", number))
            except OSError:
                reservation.close()
                continue
            self.number = number
            self._reservation = reservation
            return
        msg = f"no free TCP port among {candidates[0]}..."
        raise RuntimeError(msg)

    def release(self) -> None:
        """Let others have the port."""
        self._reservation.close()

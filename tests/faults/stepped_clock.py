"""Runs the ledger service with a wall clock that jumps: SIGUSR1 sets it an hour forward, SIGUSR2 an hour back.

``python stepped_clock.py APP LEDGER [SECONDS]`` serves APP as ``ledger_service.py`` does. Monotonic time is not touched, as when an
operator or NTP sets the machine's clock. The product knows nothing of this: ``time`` itself is patched, before anything else
is loaded.
"""

import signal
import sys
import time

HOUR_NS = 3_600_000_000_000

shift_ns = 0
system_time_ns = time.time_ns


def time_ns() -> int:
    """Return the shifted wall clock."""
    return system_time_ns() + shift_ns


def step(number: int, _frame: object) -> None:
    """Move the wall clock."""
    global shift_ns  # noqa: PLW0603 this is the process's clock
    shift_ns += HOUR_NS if number == signal.SIGUSR1 else -HOUR_NS
    print("clock stepped", shift_ns // HOUR_NS, flush=True)  # noqa: T201 the test waits for it


time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9

import ledger_service  # noqa: E402 it must find the patched clock

if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, step)
    signal.signal(signal.SIGUSR2, step)
    sys.exit(ledger_service.main())

"""A parent that sends faster than its child handles: ``python eager_sender.py APP FIRST``, numbers from FIRST on, until a signal.

It sends calls of 50, no more than 1,000 messages a second, so that a test on a busy machine has time for the rest.
"""

import signal
import sys
import threading

from ledger_service import Note

from broker.lifecycle.clock import SystemClock
from broker.runtime.host import Host
from broker.settings import InterAppSettings


def main() -> int:
    """Send until a signal."""
    app, number = sys.argv[1], int(sys.argv[2])
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    with Host(InterAppSettings.load(), SystemClock()) as host:
        client = host.client("parent")
        while not stopping.wait(0.05):
            client.send_call([Note(number=number + each) for each in range(50)], to=app, wait_for_table=30)
            number += 50
            sys.stdout.write(f"sent {number}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

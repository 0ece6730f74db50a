"""A parent that sends faster than its child handles: ``python eager_sender.py APP FIRST``, numbers from FIRST on, until a signal.

It sends calls of 50, no more than 1,000 messages a second, so that a test on a busy machine has time for the rest.
"""

import signal
import sys
import time

from ledger_service import Note

from broker.lifecycle.clock import SystemClock
from broker.runtime.host import Host
from broker.settings import InterAppSettings


def main() -> int:
    """Send until a signal."""
    app, number = sys.argv[1], int(sys.argv[2])
    # No event: a handler that sets one waits for ever when the signal comes while this thread looks at it.
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    with Host(InterAppSettings.load(), SystemClock()) as host:
        client = host.client("parent")
        while not stopping:
            time.sleep(0.05)
            client.send_call([Note(number=number + each) for each in range(50)], to=app, wait_for_table=30)
            number += 50
            sys.stdout.write(f"sent {number}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Starts the ledger service, or a sender, again whenever it is killed: a fork of one process that has loaded everything.

``python supervisor.py serve APP LEDGER [SECONDS]`` serves APP as ``ledger_service.py`` does;
``python supervisor.py send APP EACH`` sends EACH numbers, prints each that was accepted, and waits to be killed. The first start
sends from 0, the next from 1000, and so on. Every start prints ``child PID``.
"""

import ctypes
import itertools
import os
import signal
import sys

# What a service would load when it runs, loaded once for all of its starts.
import alembic.command
import alembic.runtime.migration
import fault_points
import ledger_service
import pika.adapters.select_connection
import psycopg

LOADED = (alembic.command, alembic.runtime.migration, pika.adapters.select_connection, psycopg)

PER_START = 1000

PR_SET_PDEATHSIG = 1


def run(start: int, arguments: list[str]) -> int:
    """Serve or send, in a process of its own."""
    print("child", os.getpid(), flush=True)  # noqa: T201 the test reads whom to kill
    if arguments[0] == "serve":
        sys.argv = arguments
        return ledger_service.main()
    first = start * PER_START
    return fault_points.send(arguments[1], first, first + int(arguments[2]), at_end=signal.pause)


def main() -> None:
    """Start for ever. A child dies with this process, also one that is just being made."""
    supervisor = os.getpid()
    for start in itertools.count():
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            alone = os.getppid() != supervisor
            os._exit(1 if alone else run(start, sys.argv[1:]))
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()

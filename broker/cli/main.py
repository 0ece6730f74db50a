"""The entry point of the installed ``interapp``."""

import gc
import os
import sys
from io import TextIOWrapper

from broker.cli.exit_codes import INTERRUPTED
from broker.cli.version import installed_version

YOUNG_OBJECTS = 5_000
"""How many more objects are made than freed before unreachable ones are looked for."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:] == ["--version"]:
        # Scripts and health probes ask this often: it must not wait for anything to be imported.
        sys.stdout.write(f"interapp {installed_version()}\n")
        return
    # A start makes little but what stays: with Python's default, a listing looked more than a hundred times for garbage in vain.
    gc.set_threshold(YOUNG_OBJECTS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        from broker.cli.root import interapp  # noqa: PLC0415 as above

        interapp.main(prog_name="interapp")
    except KeyboardInterrupt:
        # Outside a command: while it was being imported, or while options were read.
        sys.exit(INTERRUPTED)
    finally:
        _give_up_what_cannot_be_written()


def _give_up_what_cannot_be_written() -> None:
    """Drop what is left of the output when its reader is gone or its disk full; the interpreter would complain again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

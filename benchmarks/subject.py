"""What else is measured, beside the contenders: names of subjects and of what is measured of them."""

from enum import StrEnum


class Subject(StrEnum):
    """What has numbers of its own."""

    EMPTY_TABLE = "interapp, empty table"
    FINISHED_TABLE = "interapp, many finished rows"
    WAITING_TABLE = "interapp, many waiting rows"
    ONE_CHILD = "interapp, one child"
    ONE_HOST = "interapp, one process with many apps"
    MANY_CHILDREN = "interapp, many children"
    CHILD = "interapp child"
    LIBRARIES = "its libraries and connections alone"
    COUNTING_CHILD = "interapp, a child that counts"
    PYTHON = "python -c pass"
    VERSION = "interapp --version"
    IMPORTS = "python, importing what it needs"
    HANDLERS = "interapp handlers --json"
    ONE_CHASSIS = "interapp parent, one chassis"
    MANY_CHASSIS = "interapp parent, many chassis"
    POSTGRESQL = "PostgreSQL, one row a commit"


class Figure(StrEnum):
    """What is measured of a subject."""

    TOTAL = "sent and handled, all apps/s"
    IDLE = "idle CPU, % of a core"
    RESIDENT = "resident MiB"
    GROWTH = "growth of resident memory"
    RUN = "run ms"
    POLLING = "CPU of a poll a second, % of a core"
    POLLS = "polls of a chassis/s"
    COMMITS = "commits/s"


def command_figure(command: str) -> str:
    """Return the name of the time that a command takes."""
    return f"{command}, ms"


FLAT_COMMANDS = (
    "interapp handlers",
    "interapp handlers --state waiting",
    "interapp handlers --state failed",
    "interapp handlers --state succeeded --since 10m",
    "interapp handlers --app bench-child",
    "interapp handlers --app m3000-a.*",
    "interapp handlers --kind bench.filled",
    "interapp handlers --kind no.such-kind",
    "interapp handlers --reason error",
    "interapp stats",
    "interapp check",
)
"""What must not take longer because the table is large; one that is not installed is left out."""

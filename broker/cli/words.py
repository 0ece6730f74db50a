"""How the command line words times, ages and ids."""

import re
import socket
from datetime import UTC, datetime, timedelta
from getpass import getuser

SECOND = 1_000_000
"""In microseconds."""

MINUTE = 60 * SECOND
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
SINCE = re.compile(r"(\d+)\s*(s|m|min|h|d|w)")
LATER = re.compile(r"\+\s*(\d+)\s*(s|m|min|h|d|w)")
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
EXAMPLES = "give an age like 30s, 10m, 2h, 1d, or a time like 2026-11-22 or 2026-11-22T09:30:00Z"


def age(microseconds: int) -> str:
    """Return how long ago something was: ``12 s``, ``3 min``, ``2 h``, ``5 d``."""
    seconds = max(0, microseconds // SECOND)
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def duration(microseconds: int) -> str:
    """Return how long something took: ``3 ms``, ``1.2 s``, then as an age."""
    if microseconds < SECOND:
        return f"{max(0, microseconds) / 1000:.0f} ms"
    return f"{microseconds / SECOND:.1f} s" if microseconds < MINUTE else age(microseconds)


def local_time(time_us: int) -> str:
    """Return the time of day where we are: ``09:23:41``."""
    return datetime.fromtimestamp(time_us / SECOND, UTC).astimezone().strftime("%H:%M:%S")


def moment(text: str, now_us: int) -> int:
    """Return the time that ``--since`` names, in microseconds since 1970: an age, or an ISO time (local unless it says so).

    Raises ValueError that says what is understood.
    """
    try:
        if found := SINCE.fullmatch(text.strip()):
            return now_us - int(timedelta(seconds=int(found[1]) * SECONDS[found[2]]).total_seconds()) * SECOND
        return int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * SECOND)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no time; {EXAMPLES}") from None


def later(text: str, now: datetime) -> datetime:
    """Return the time that ``--at`` names, with its zone: ``+10m`` from now, or an ISO time (local unless it says so).

    Raises ValueError that says what is understood.
    """
    try:
        if found := LATER.fullmatch(text.strip()):
            return now + timedelta(seconds=int(found[1]) * SECONDS[found[2]])
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no time; give one from now like +30s, +10m, +2h, or a time like 2026-11-22T09:30:00Z"
        ) from None


def operator_name() -> str:
    """Return who acts, for the history: ``user@host``."""
    try:
        user = getuser()
    except (OSError, KeyError):
        # In a container the user id may have no name.
        user = "somebody"
    return f"{user}@{socket.gethostname()}"

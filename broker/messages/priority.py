"""Priorities: which of the messages that wait for one app is handled first."""

from typing import Final

LOWEST: Final = 0
HIGHEST: Final = 9

OPERATOR: Final = 5
"""What the command line sends with: an operator does not wait behind status traffic."""


def checked_priority(priority: object, name: str = "priority") -> int:
    """Return the priority. Raises ValueError that names it when it is no whole number from 0 to 9."""
    if not isinstance(priority, int) or isinstance(priority, bool) or not LOWEST <= priority <= HIGHEST:
        raise ValueError(f"{name}={priority!r} must be a whole number from {LOWEST} to {HIGHEST}; higher goes first")
    return priority

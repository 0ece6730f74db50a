"""What an app gets of the events that were published before it subscribed."""

from enum import StrEnum


class CatchUp(StrEnum):
    """The choice of a new subscriber. It holds for a pattern when its subscription is first made, and never again."""

    NOTHING = "nothing"
    """What is published from now on."""
    LAST = "last"
    """Also the newest event of each source and kind, of those kinds that are kept for it (``Event.keep_last``)."""

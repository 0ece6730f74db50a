"""What receivers of other families report beside what a time code receiver does."""

from lantime.status.model import StatusModel
from lantime.status.values import flag, integer, mapping, pick

OTHER_NAMES = ("grc", "dcf77", "gns", "gps", "gnm", "gxl", "pzf", "glonass", "gnss")
"""Names of receiver objects: ``grc`` and ``dcf77`` are captured, ``gns`` is third party, the others are inferred."""


KEYS = frozenset(
    {
        *("antenna", "connected", "short-circuit", "receiver", "synchronized", "tracking", "warm-boot", "cold-boot"),
        *("satellites-in-view", "good-satellites"),
    }
)
"""Every key that is read of them."""


class Antenna(StatusModel):
    """The antenna of a satellite receiver; None where the device says nothing."""

    connected: bool | None = None
    """Whether there is one (captured on a GRC)."""
    short_circuit: bool | None = None
    """Whether its line is short-circuited (captured on a GRC)."""


class ReceiverFlags(StatusModel):
    """What a GRC's receiver is doing; None where the device says nothing."""

    synchronized: bool | None = None
    """It follows its satellites (captured on a GRC)."""
    tracking: bool | None = None
    """It looks for them, or follows them without a time (captured on a GRC; meaning inferred)."""
    warm_boot: bool | None = None
    """It starts with a known position and time (captured on a GRC; meaning inferred)."""
    cold_boot: bool | None = None
    """It starts knowing neither (captured on a GRC; meaning inferred)."""


class Satellites(StatusModel):
    """Counts of satellites. A device tells its position beside them, which is not read: nobody needs it here."""

    in_view: int | None = None
    """``satellites-in-view`` (third party)."""
    good: int | None = None
    """``good-satellites`` (third party)."""


def read_antenna(value: object) -> Antenna:
    """Read a receiver's ``antenna``. Never raises."""
    found = mapping(value)
    return Antenna(
        connected=flag(pick(found, "connected")),
        short_circuit=flag(pick(found, "short-circuit")),
    )


def read_receiver_flags(value: object) -> ReceiverFlags:
    """Read a receiver's ``receiver``. Never raises."""
    found = mapping(value)
    return ReceiverFlags(
        synchronized=flag(pick(found, "synchronized")),
        tracking=flag(pick(found, "tracking")),
        warm_boot=flag(pick(found, "warm-boot")),
        cold_boot=flag(pick(found, "cold-boot")),
    )


def read_satellites(value: object) -> Satellites:
    """Read a module's ``satellites``. Never raises."""
    found = mapping(value)
    return Satellites(
        in_view=integer(pick(found, "satellites-in-view")),
        good=integer(pick(found, "good-satellites")),
    )

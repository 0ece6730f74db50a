"""Tells whether another chassis answers than before. Pure."""

from lantime.contract import ChassisRecord


def succeed(before: ChassisRecord | None, after: ChassisRecord) -> tuple[ChassisRecord, bool]:
    """Return what is known of the chassis after a poll, and whether it is another one than before.

    Another one has another serial number (that each chassis has its own is inferred). A device that once does not tell it
    is still the same.
    """
    if before is None or before.serial is None:
        return after, False
    if after.serial is None:
        return after.model_copy(update={"serial": before.serial}), False
    return after, before.serial != after.serial

"""Tells whether another chassis answers than before. Pure."""

from lantime.contract import ChassisRecord

_SAID_ONCE = ("model", "serial", "firmware", "api_version", "hostname")


def succeed(before: ChassisRecord | None, after: ChassisRecord) -> tuple[ChassisRecord, bool]:
    """Return what is known of the chassis after a poll, and whether it is another one than before.

    Another one has another serial number (that each chassis has its own is inferred). A device that once does not tell it
    is still the same, and what else it does not tell for once stays.
    """
    if before is None:
        return after, False
    if None not in (before.serial, after.serial) and before.serial != after.serial:
        return after, True
    silent = {name: getattr(before, name) for name in _SAID_ONCE if getattr(after, name) is None}
    return after.model_copy(update=silent), False

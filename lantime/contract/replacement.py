"""A chassis that took another one's place."""

from typing import ClassVar

from broker.messages.message import Event
from lantime.contract.inventory import ChassisRecord


class ChassisReplaced(Event):
    """Another chassis answers at the device's address: its serial number differs. What was known of the old one's slots ended."""

    kind: ClassVar[str] = "chassis.replaced"
    before: ChassisRecord
    after: ChassisRecord

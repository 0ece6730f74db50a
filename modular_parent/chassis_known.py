"""Everything that the table knows of a chassis."""

from dataclasses import dataclass
from typing import TypeVar

from broker.table.database import Database
from broker.table.documents import find_documents
from lantime.contract import (
    CHASSIS,
    NOTIFICATIONS,
    SYSTEM,
    ChassisRecord,
    NotificationsRecord,
    SystemRecord,
)
from lantime.contract.document import ContractDocument
from lantime.status.api_version import ADAPTERS

RecordT = TypeVar("RecordT", bound=ContractDocument)


@dataclass(frozen=True, slots=True)
class KnownChassis:
    """One chassis as its service keeps it."""

    address: str
    record: ChassisRecord
    system: SystemRecord | None
    notifications: NotificationsRecord

    @property
    def api_supported(self) -> bool | None:
        """Whether answers of its API version are read as they are meant; None while the version is not known."""
        major = (self.record.api_version or "").split(".")[0]
        return any(adapter.covers(int(major)) for adapter in ADAPTERS) if major.isdecimal() else None


def known_chassis(database: Database) -> list[KnownChassis]:
    """Return every chassis, ordered by address. Raises TableUnavailable."""
    systems = _by_app(database, SYSTEM, SystemRecord)
    notifications = _by_app(database, NOTIFICATIONS, NotificationsRecord)
    return [
        KnownChassis(address, record, systems.get(address), notifications.get(address, NotificationsRecord()))
        for address, record in _by_app(database, CHASSIS, ChassisRecord).items()
    ]


def _by_app(database: Database, collection: str, record: type[RecordT]) -> dict[str, RecordT]:
    found = find_documents(database, collection)
    return {each.app: record.model_validate_json(each.body) for each in found}

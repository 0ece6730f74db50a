"""All that is kept of one slot and the module in it."""

from dataclasses import dataclass

from broker.errors import NotFound
from broker.table.database import Database
from broker.table.documents import find_documents
from lantime.contract import CLOCKS, MODULE, STATUS, ModuleRecord, SlotRecord
from lantime.status.certainty import certainties
from lantime.status.module import ModuleStatus
from modular_parent.listing import slot_line, slot_records


@dataclass(frozen=True, slots=True)
class SlotDetails:
    """One slot: its line in the inventory, and its module's record; None where nothing was understood of the module yet."""

    chassis: str
    slot: SlotRecord
    module: ModuleRecord | None


def find_details(database: Database, name: str) -> SlotDetails:
    """Return what is kept of a slot: ``clk1``, or ``m1000-a.clk1`` where several chassis have one.

    Raises NotFound, which names what there is, and TableUnavailable.
    """
    wanted, _, slot = name.rpartition(".")
    records = slot_records(database)
    found = [each for each in records if each[1].slot == slot and wanted in ("", each[0])]
    if not found:
        known = (
            ", ".join(f"{chassis}.{record.slot}" for chassis, record in records) or "none: no chassis was polled yet"
        )
        raise NotFound(f"there is no slot {name!r}; known are {known}")
    if len(found) > 1:
        raise NotFound(
            f"{len(found)} chassis have a slot {slot}: say {' or '.join(f'{each[0]}.{slot}' for each in found)}"
        )
    chassis, record = found[0]
    return SlotDetails(chassis, record, _module(database, chassis, record))


def details_line(details: SlotDetails) -> dict[str, object]:
    """Return the slot as JSON: its line of the listing, the module's record, and the certainty of each value in its status."""
    module = details.module
    line = slot_line(details.chassis, details.slot) | {
        "observed_at": None,
        "stale": {},
        "status": None,
        "certainty": certainties(ModuleStatus),
    }
    if module is None:
        return line
    return line | module.model_dump(mode="json", include={"observed_at", "stale", "status"})


def _module(database: Database, chassis: str, record: SlotRecord) -> ModuleRecord | None:
    """Read the record that the slot's service keeps, or the chassis' where no service serves the slot."""
    app, collection, key = (chassis, CLOCKS, record.slot) if record.app is None else (record.app, MODULE, STATUS)
    bodies = {each.key: each.body for each in find_documents(database, collection, app=app)}
    return ModuleRecord.model_validate_json(bodies[key]) if key in bodies else None

"""A clock module as it was last seen: the document that a slot's service keeps, or its chassis' where no service serves it."""

from datetime import datetime

from pydantic import Field

from lantime.contract.document import ContractDocument
from lantime.contract.slot import SyncState
from lantime.status.module import ModuleStatus
from lantime.status.parts import PARTS, says, with_understood, without
from lantime.status.slot import UNKNOWN_MODEL, ModuleInfo, Slot

MODULE = "module"
"""Collection of a slot's service about its module."""

STATUS = "status"
"""Key of the ModuleRecord in it."""

CLOCKS = "clock-modules"
"""Collection of the chassis' service: one ModuleRecord per slot that holds a clock module without a service."""


class ModuleRecord(ContractDocument):
    """The module as it was last seen. What was understood of it stays when it is removed, or not understood for once."""

    observed_at: datetime
    """Time of the last look."""
    present: bool
    model: str | None = None
    serial: str | None = None
    software: str | None = None
    status: ModuleStatus | None = None
    stale: dict[str, datetime] = Field(default_factory=dict)
    """Parts of ``status`` of which the last look said nothing, each with the time of the look that did."""

    @property
    def last_said(self) -> ModuleStatus | None:
        """Return what the last look itself said of the status; of a module that is not there, nothing."""
        return without(self.status, self.stale) if self.present and self.status is not None else None

    @property
    def sync(self) -> SyncState:
        """Return the states that matter for synchronisation; unknown is what the last look did not say."""
        said = self.last_said
        return SyncState() if said is None else SyncState(clock=said.clock, receiver=said.receiver.state)


def seen(known: ModuleRecord | None, slot: Slot, observed_at: datetime) -> ModuleRecord | None:
    """Return the record after a look at the slot; None when it tells nothing new.

    That is a look that is older than what is known, or one that could not be read while nothing is known.
    """
    if known is not None and observed_at < known.observed_at:
        return None
    if slot.module is not None:
        return _with_module(known, slot.module, slot.status, observed_at)
    if known is None:
        return None if slot.unreadable else ModuleRecord(observed_at=observed_at, present=False)
    present = known.present and slot.unreadable
    all_of_it = _stale(known, frozenset(PARTS))
    return known.model_copy(update={"present": present, "observed_at": observed_at, "stale": all_of_it})


def is_same_module(model: str | None, serial: str | None, module: ModuleInfo) -> bool:
    """Tell whether a module may be the one that was known by this model and serial number: what is not told is no difference."""
    differs = [
        before != after
        for before, after in ((model, module.model), (serial, module.serial))
        if UNKNOWN_MODEL not in (before, after) and None not in (before, after)
    ]
    return not any(differs)


def _with_module(
    known: ModuleRecord | None, module: ModuleInfo, status: ModuleStatus | None, observed_at: datetime
) -> ModuleRecord:
    model, stale = module.model, {}
    if known is not None and known.status is not None and is_same_module(known.model, known.serial, module):
        model = (known.model or model) if model == UNKNOWN_MODEL else model
        status, kept = with_understood(status or ModuleStatus(), known.status)
        stale = _stale(known, kept)
    return ModuleRecord(
        observed_at=observed_at,
        present=True,
        model=model,
        serial=module.serial,
        software=module.software,
        status=status,
        stale=stale,
    )


def _stale(known: ModuleRecord, parts: frozenset[str]) -> dict[str, datetime]:
    status = known.status or ModuleStatus()
    return {part: known.stale.get(part, known.observed_at) for part in PARTS if part in parts and says(status, part)}

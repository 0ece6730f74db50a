"""All that is understood of a module, as lines of text for people."""

from collections.abc import Iterator
from datetime import datetime

from broker.cli.plain import Cell
from broker.cli.words import age
from broker.observe.printable import printable
from lantime.contract import ModuleRecord
from lantime.status.slot import ModuleKind, classify
from modular_parent.details import SlotDetails
from modular_parent.facts import MARK, Group, groups

TITLE = "bold"
"""Style of what stands above other lines."""

LABEL = 20
"""Width of the left column."""


def tell(details: SlotDetails, now_us: int) -> Iterator[Cell]:
    """Yield the lines: what sits in the slot, what it reports in groups, and what of it is not certain."""
    slot, module = details.slot, details.module
    yield Cell(printable(f"{details.chassis}.{slot.slot}  {_what(details)}"), TITLE)
    if slot.last_seen is not None:
        yield _line("last seen", _ago(slot.last_seen, now_us))
    if slot.app is not None:
        yield _line("service", slot.app)
    if module is None or module.status is None:
        yield _line("status", _why_not(details))
        return
    yield _line("status of", f"{_ago(_time_of(module), now_us)}; a new one comes when something changes")
    is_tcr = classify(module.model or "") is ModuleKind.TCR
    found = groups(module.status, is_tcr=is_tcr)
    if not found:
        yield _line("", "it reports nothing that is understood; interapp device-report helps to change that")
    for group in found:
        yield from _group(group, module.stale, now_us)
    missing = (*module.status.missing, *module.status.receiver.missing)
    if missing:
        yield Cell("")
        yield Cell(f"Expected of a TCR with this API version, and not reported: {', '.join(missing)}.")
    if any(fact.inferred for group in found for fact in group.facts):
        yield Cell("")
        yield Cell(_footnote(is_tcr=is_tcr))


def _group(group: Group, stale: dict[str, datetime], now_us: int) -> Iterator[Cell]:
    yield Cell("")
    yield Cell(group.title, TITLE)
    for fact in group.facts:
        since = stale.get(fact.part)
        suffix = "" if since is None else f"  (as of {_ago(since, now_us)}: the last look did not say)"
        yield _line(f"{fact.label} {MARK}" if fact.inferred else fact.label, printable(fact.text) + suffix)


def _what(details: SlotDetails) -> str:
    slot = details.slot
    parts = [slot.model or "", f"serial {slot.serial or 'unknown'}", f"software {slot.software or 'unknown'}"]
    if slot.present:
        return "  ".join(parts)
    return f"empty; the last module was {'  '.join(parts)}" if slot.model else "empty"


def _why_not(details: SlotDetails) -> str:
    if details.slot.app is not None:
        return f"{details.slot.app} has kept none yet (interapp workers shows whether it runs)"
    return "none: no clock module sits in it" if details.slot.present else "none"


def _footnote(*, is_tcr: bool) -> str:
    unseen = "no answer of a real TCR was available" if is_tcr else "no answer of a real device shows it"
    return f"{MARK} inferred, no fact: {unseen} when this was written; see docs/devices.md."


def _time_of(module: ModuleRecord) -> datetime:
    """Return the time of the last look of which anything is left."""
    return module.observed_at if module.present else max(module.stale.values(), default=module.observed_at)


def _line(label: str, text: str) -> Cell:
    return Cell(f"  {label:<{LABEL}}{text}")


def _ago(time: datetime, now_us: int) -> str:
    return f"{age(now_us - round(time.timestamp() * 1_000_000))} ago"

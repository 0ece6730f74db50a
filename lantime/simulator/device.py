"""The state of the simulated device: bays, cards and what happens to them. No HTTP, no threads."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from broker.lifecycle.clock import Clock
from lantime.simulator.bay import Bay, Card
from lantime.simulator.events import Situation, conditions
from lantime.simulator.scenario import EFFECTS, Scenario
from lantime.simulator.schema import CODES_WITH_OFFSET
from lantime.simulator.staging import Configurations

API_VERSIONS = {8: "8.06.002", 10: "10.21.016", 16: "16.04.002", 20: "20.05.013"}
"""API major to full version. 10 and 20 are captured, 8 and 16 invented in their likeness."""

FIRMWARE = {8: "7.04.017", 10: "7.06.014", 16: "7.08.012", 20: "7.10.008"}
"""LTOS version for each API major. The ``7.xx`` pairs are a vendor document, the last part captured or invented."""


_API_10, _API_17 = 10, 17


class ControlError(ValueError):
    """A control asks for what this device cannot do: names the slot and what is there."""


@dataclass(kw_only=True)
class Device:
    """One chassis.

    ``events`` maps an event id to the wall time (µs) at which it was last triggered, ``active`` are the conditions
    that hold now. ``config_changed_seconds`` is the uptime at the last commit.
    """

    model: str
    api: int
    serial: str
    hostname: str
    layout: str
    bays: dict[str, Bay]
    clock: Clock
    configuration: Configurations = field(default_factory=Configurations)
    syncmon_nodes: list[dict[str, Any]] = field(default_factory=list)
    syncmon_updated_us: int | None = None
    started: float = field(init=False)
    events: dict[str, int] = field(init=False, default_factory=dict)
    active: frozenset[str] = field(init=False, default=frozenset())
    config_changed_seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Switch the device on: everything is locked from the start (invented; a real one needs minutes)."""
        self._switch_on()

    @property
    def firmware(self) -> str:
        """The LTOS version that has this API."""
        return FIRMWARE[self.api]

    @property
    def api_version(self) -> str:
        """The full version of the API."""
        return API_VERSIONS[self.api]

    @property
    def since_10(self) -> bool:
        """Whether what came with API 10 is there."""
        return self.api >= _API_10

    @property
    def since_17(self) -> bool:
        """Whether what came with API 17 is there; the captures (10 and 20) lie on both sides."""
        return self.api >= _API_17

    @property
    def clock_bays(self) -> list[Bay]:
        """The clock slots, in their order: refclock 1 is the first."""
        return [bay for bay in self.bays.values() if bay.slot_type == "clk"]

    @property
    def tcr_slots(self) -> list[str]:
        """The slots that have a TCR in them."""
        return [bay.slot_id for bay in self.bays.values() if bay.card is not None and bay.card.is_tcr]

    @property
    def refclocks(self) -> list[tuple[int, Bay]]:
        """The clock slots that ever had a module, with the number that events call them by."""
        numbered = enumerate(self.clock_bays, start=1)
        return [(number, bay) for number, bay in numbered if bay.card is not None or bay.last_card is not None]

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the device was switched on."""
        return self.clock.monotonic() - self.started

    def holdover_seconds(self, bay: Bay) -> float:
        """Return for how long the card in this bay has been in holdover; 0.0 when it is not."""
        if bay.card is None or not bay.effect.holds_over:
            return 0.0
        return self.clock.monotonic() - bay.since

    def reference(self) -> Bay | None:
        """Return the clock that the system follows: a synchronised one before any other, clk1 before clk2."""
        fitted = [bay for bay in self.clock_bays if bay.card is not None and bay.card.family]
        order = ("synchronized", "holdover", "not-synchronized")
        return min(fitted, key=lambda bay: order.index(bay.effect.clock), default=None)

    def bay(self, slot: str) -> Bay:
        """Return the bay with this slot id. Raises ControlError when there is none."""
        if slot not in self.bays:
            raise ControlError(f"slot={slot!r}: no such slot; this device has {', '.join(self.bays)}")
        return self.bays[slot]

    def pull(self, slot: str) -> None:
        """Take the card out. Raises ControlError when the slot is unknown or empty."""
        bay = self.bay(slot)
        if bay.card is None:
            raise ControlError(f"slot={slot!r}: there is no module in it")
        bay.last_card, bay.card = bay.card, None
        self.settle()

    def plug(self, slot: str, serial: str | None, model: str | None) -> None:
        """Put a card in: the one pulled before, unless model or serial say otherwise; it is locked at once (invented).

        Raises ControlError when the slot is unknown or taken, or nothing tells the model.
        """
        bay = self.bay(slot)
        if bay.card is not None:
            raise ControlError(f"slot={slot!r}: {bay.card.model} {bay.card.serial} is in it; pull it first")
        last = bay.last_card
        model = model or (last.model if last else "tcr180" if bay.slot_type == "clk" else None)
        if model is None:
            raise ControlError(f"slot={slot!r}: nothing was ever in it, so 'model' must say what to plug")
        if serial is None:
            serial = last.serial if last and last.model == model else self._new_serial(bay)
        bay.card = Card(model=model, serial=serial, software=last.software if last else "v1.21")
        bay.scenario, bay.since = Scenario.LOCKED, self.clock.monotonic()
        self._follow([slot])
        self.settle()

    def move(self, slot: str, to: str) -> None:
        """Put the card of one slot into another; a card that is in that goes back into the first.

        Raises ControlError when a slot is unknown, both are the same, their types differ, or the first is empty.
        """
        bay, other = self.bay(slot), self.bay(to)
        if bay is other or bay.slot_type != other.slot_type:
            fitting = [name for name, each in self.bays.items() if each.slot_type == bay.slot_type and name != slot]
            raise ControlError(f"to={to!r} is not allowed for {slot}: one of {', '.join(fitting) or 'none'}")
        if bay.card is None:
            raise ControlError(f"slot={slot!r}: there is no module in it")
        bay.card, other.card = other.card, bay.card
        bay.scenario, other.scenario = other.scenario, bay.scenario
        bay.since, other.since = other.since, bay.since
        bay.losses, other.losses = other.losses, bay.losses
        bay.last_card = other.last_card = None
        self._follow([slot, to])
        self.settle()

    def swap_chassis(self, serial: str) -> None:
        """Put another chassis of the same model in this one's place: its own serial number and other modules in every slot.

        The serial numbers of the modules follow from that of the chassis (invented). Raises ControlError for an empty one,
        or the one it has.
        """
        if not serial.strip() or serial == self.serial:
            raise ControlError(f"serial={serial!r} is not allowed: not empty, and another than {self.serial}")
        self.serial = serial
        self.started = self.clock.monotonic()
        self.configuration = Configurations()
        for position, bay in enumerate(self.bays.values()):
            bay.last_card = None
            bay.scenario, bay.since, bay.losses = Scenario.LOCKED, self.started, 0
            # A power supply, or what reports none, has none in the other chassis either.
            if bay.card is not None and bay.card.serial.isdigit():
                bay.card = replace(bay.card, serial=f"{serial[-10:]}{position:02d}")
        self.settle()

    def set_scenario(self, slot: str, scenario: Scenario) -> None:
        """Let something happen to a TCR. Raises ControlError when there is none in the slot.

        To stay in a scenario changes nothing; from one kind of holdover to another, the time goes on counting. A
        module that the scenario "module-pulled" took out is put back by any other one.
        """
        bay = self.bay(slot)
        if bay.card is None and bay.scenario is Scenario.MODULE_PULLED:
            if scenario is Scenario.MODULE_PULLED:
                return
            self.plug(slot, None, None)
        if bay.card is None or not bay.card.is_tcr:
            raise ControlError(f"slot={slot!r}: there is no TCR in it")
        if scenario is Scenario.MODULE_PULLED:
            self.pull(slot)
            bay.scenario = scenario
            return
        effect = EFFECTS[scenario]
        if not (bay.effect.holds_over and effect.holds_over):
            bay.since = self.clock.monotonic()
        if "no-signal" in effect.source and "no-signal" not in bay.effect.source:
            bay.losses += 1
        self._enter(bay, scenario)
        self.settle()

    def commit(self) -> int:
        """Put what is staged in force and let the modules follow; return how many settings changed."""
        changes = len(self.configuration.pending())
        self._in_force(self.configuration.commit())
        return changes

    def load_startup(self) -> int:
        """Put the saved configuration in force and let the modules follow; return how many settings changed."""
        changes = len(self.configuration.unsaved())
        self._in_force(self.configuration.load())
        return changes

    def restart(self) -> None:
        """Switch off and on: what was not saved is lost, and so is what was staged."""
        self.configuration = Configurations(self.configuration.startup)
        self.config_changed_seconds = 0.0
        self.active = frozenset()
        self._switch_on()

    def set_syncmon(self, nodes: list[dict[str, Any]]) -> None:
        """Replace the nodes that SyncMon watches (their form is invented: no capture has one)."""
        self.syncmon_nodes, self.syncmon_updated_us = nodes, self.clock.now_us()
        self.settle()

    def settle(self) -> None:
        """Look which conditions hold after something happened, and note the time of those that begin to."""
        before, self.active = self.active, conditions(self._situation())
        for event in self.active - before:
            self._trigger(event)

    def _situation(self) -> Situation:
        reference = self.reference()
        fitted = [bay for bay in self.clock_bays if bay.card is not None]
        return Situation(
            refclocks={number: self.refclock_state(bay) for number, bay in self.refclocks},
            clock=reference.effect.clock if reference else "not-synchronized",
            oscillators_warm=all(bay.effect.oscillator == "warmed-up" for bay in fitted),
            source_lost=any("no-signal" in bay.effect.source for bay in fitted),
            module_missing=any(bay.card is None and bay.last_card is not None for bay in self.bays.values()),
            syncmon=[node.get("status") == "alert" for node in self.syncmon_nodes],
            seen=frozenset(self.events),
        )

    def refclock_state(self, bay: Bay) -> str:
        """Return which of the three refclock events holds now: ``sync``, ``not-sync`` or ``not-responding``."""
        if bay.card is None:
            return "not-responding"
        return "sync" if bay.effect.clock == "synchronized" else "not-sync"

    def _switch_on(self) -> None:
        self.started = self.clock.monotonic()
        self._trigger("system-reboot")
        self._follow(bay.slot_id for bay in self.clock_bays)
        self.settle()

    def _in_force(self, slots: tuple[str, ...]) -> None:
        if not slots:
            return
        self.config_changed_seconds = self.uptime_seconds
        self._trigger("device-configuration-changed")
        self._follow(slots)
        self.settle()

    def _follow(self, slots: Iterable[str]) -> None:
        """Let receivers do what their configuration makes of them.

        Without a configured UTC offset a receiver refuses to synchronise, unless its code carries one (SDK header).
        """
        for slot in slots:
            bay = self.bay(slot)
            receiver = self.configuration.running(slot)["receiver"]
            knows_offset = receiver["ref-offs-configured"] or receiver["icode"] in CODES_WITH_OFFSET
            if bay.card is None or not bay.card.is_tcr:
                continue
            if not knows_offset:
                bay.scenario = Scenario.UTC_OFFSET_MISSING
            elif bay.scenario is Scenario.UTC_OFFSET_MISSING:
                bay.scenario, bay.since = Scenario.LOCKED, self.clock.monotonic()

    def _enter(self, bay: Bay, scenario: Scenario) -> None:
        """Change the scenario, and with it whether the UTC offset is configured: status and configuration agree."""
        missing = scenario is Scenario.UTC_OFFSET_MISSING
        if missing is not (bay.scenario is Scenario.UTC_OFFSET_MISSING):
            self.configuration.impose(bay.slot_id, ("receiver", "ref-offs-configured"), not missing)
        if bay.effect.other_source is not EFFECTS[scenario].other_source:
            self._trigger("xmr-ref-changed")
        bay.scenario = scenario

    def _trigger(self, event: str) -> None:
        self.events[event] = self.clock.now_us()

    def _new_serial(self, bay: Bay) -> str:
        return f"0681110{20600 + list(self.bays).index(bay.slot_id):05d}"

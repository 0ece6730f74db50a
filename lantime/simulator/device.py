"""The state of the simulated device: bays, cards and what happens to them. No HTTP, no JSON, no threads."""

from dataclasses import dataclass, field, replace

from broker.lifecycle.clock import Clock
from lantime.simulator.scenario import EFFECTS, Effect, Scenario
from lantime.status.slot import ModuleKind, classify

API_VERSIONS = {8: "8.06.002", 10: "10.21.016", 16: "16.04.002", 20: "20.05.013"}
"""API major to full version. 10 and 20 are captured, 8 and 16 invented in their likeness."""

FIRMWARE = {8: "7.04.017", 10: "7.06.014", 16: "7.08.012", 20: "7.10.008"}
"""LTOS version for each API major. The ``7.xx`` pairs are a vendor document, the last part captured or invented."""


_API_10, _API_17 = 10, 17


class ControlError(ValueError):
    """A control asks for what this device cannot do: names the slot and what is there."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A module as it lies on a desk: model, serial number and firmware."""

    model: str
    serial: str
    software: str = ""

    @property
    def is_tcr(self) -> bool:
        """Whether this is a time code receiver."""
        return classify(self.model) is ModuleKind.TCR


@dataclass(kw_only=True)
class Bay:
    """A slot and the card in it, if any. ``since`` is the clock's second at which the scenario began."""

    slot_id: str
    slot_type: str
    position: str
    card: Card | None = None
    last_card: Card | None = None
    scenario: Scenario = Scenario.LOCKED
    since: float = 0.0
    losses: int = 0

    @property
    def effect(self) -> Effect:
        """What the scenario makes the card report."""
        return EFFECTS[self.scenario]


@dataclass(kw_only=True)
class Device:
    """One chassis. ``events`` maps an event id to the wall time (µs) at which it was last triggered."""

    model: str
    api: int
    serial: str
    hostname: str
    layout: str
    bays: dict[str, Bay]
    clock: Clock
    started: float = field(init=False)
    events: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Switch the device on: everything is locked from the start (invented; a real one needs minutes)."""
        self.started = self.clock.monotonic()
        for event in ("system-reboot", "normal-operation", "oscillator-adjusted", "ntp-sync"):
            self._trigger(event)
        for bay in self.clock_bays:
            if bay.card is not None:
                self._trigger(self._refclock(bay, "sync"))

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
        fitted = [bay for bay in self.clock_bays if bay.card is not None and bay.card.is_tcr]
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
        if bay.slot_type == "clk":
            self._trigger(self._refclock(bay, "not-responding"))

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
        if bay.slot_type == "clk":
            self._trigger(self._refclock(bay, "sync"))

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
        for each in (bay, other):
            each.last_card = None
            if each.slot_type == "clk":
                self._trigger(self._refclock(each, self.refclock_state(each)))

    def swap_chassis(self, serial: str) -> None:
        """Put another chassis of the same model in this one's place: its own serial number and other modules in every slot.

        The serial numbers of the modules follow from that of the chassis (invented). Raises ControlError for an empty one,
        or the one it has.
        """
        if not serial.strip() or serial == self.serial:
            raise ControlError(f"serial={serial!r} is not allowed: not empty, and another than {self.serial}")
        self.serial = serial
        self.started = self.clock.monotonic()
        for position, bay in enumerate(self.bays.values()):
            bay.last_card = None
            bay.scenario, bay.since, bay.losses = Scenario.LOCKED, self.started, 0
            # A power supply, or what reports none, has none in the other chassis either.
            if bay.card is not None and bay.card.serial.isdigit():
                bay.card = replace(bay.card, serial=f"{serial[-10:]}{position:02d}")

    def set_scenario(self, slot: str, scenario: Scenario) -> None:
        """Let something happen to a TCR. Raises ControlError when there is none in the slot.

        To stay in a scenario changes nothing; from one kind of holdover to another, the time goes on counting.
        """
        bay = self.bay(slot)
        if bay.card is None or not bay.card.is_tcr:
            raise ControlError(f"slot={slot!r}: there is no TCR in it")
        effect = EFFECTS[scenario]
        if not (bay.effect.holds_over and effect.holds_over):
            bay.since = self.clock.monotonic()
        if "no-signal" in effect.source and "no-signal" not in bay.effect.source:
            bay.losses += 1
        bay.scenario = scenario
        self._trigger(self._refclock(bay, "sync" if effect.clock == "synchronized" else "not-sync"))

    def refclock_state(self, bay: Bay) -> str:
        """Return which of the three refclock events holds now: ``sync``, ``not-sync`` or ``not-responding``."""
        if bay.card is None:
            return "not-responding"
        return "sync" if bay.effect.clock == "synchronized" else "not-sync"

    def _refclock(self, bay: Bay, what: str) -> str:
        return f"refclock-{self.clock_bays.index(bay) + 1}-{what}"

    def _trigger(self, event: str) -> None:
        self.events[event] = self.clock.now_us()

    def _new_serial(self, bay: Bay) -> str:
        return f"0681110{20600 + list(self.bays).index(bay.slot_id):05d}"

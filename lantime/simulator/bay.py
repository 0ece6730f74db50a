"""A slot of the simulated chassis, and a module as it lies on a desk."""

from dataclasses import dataclass

from lantime.simulator.scenario import EFFECTS, Effect, Scenario
from lantime.status.slot import ModuleKind, classify

_FAMILIES = (("gns", "gns"), ("gnm", "gns"), ("grc", "gps"), ("pzf", "pzf"))
"""Models that have a receiver of a known form, and what a reference to them ends in ("gps", "pzf" captured)."""


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

    @property
    def family(self) -> str | None:
        """Which receiver a clock module has, as references are named: tcr, gps, pzf; None for any other module."""
        if self.is_tcr:
            return "tcr"
        return next((family for start, family in _FAMILIES if self.model.startswith(start)), None)


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
        """What the scenario makes the card report; a card that is not there reports as one that is locked."""
        return EFFECTS.get(self.scenario, EFFECTS[Scenario.LOCKED])

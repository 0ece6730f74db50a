"""What a TCR module can go through, and what it then reports.

The meanings of the single bits are from the SDK and the manuals; that they occur in these combinations is inferred
or invented: no TCR was ever captured.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Scenario(StrEnum):
    """What happens to a module's time code input, or to the module."""

    LOCKED = "locked"
    COLD_START = "cold-start"
    NO_SIGNAL = "no-signal"
    NO_SIGNAL_OTHER_SOURCE = "no-signal-other-source"
    INCONSISTENT_TELEGRAM = "inconsistent-telegram"
    JITTER = "jitter"
    UTC_OFFSET_MISSING = "utc-offset-missing"
    WRONG_CODE = "wrong-code"
    MODULE_PULLED = "module-pulled"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a scenario changes against a locked module.

    ``bits`` are state bits that differ, ``pcps`` the flags that are set, ``source`` the flags set in the status of
    the IRIG entry of the source list, ``other_source`` whether the next source becomes master.
    """

    receiver: str = "not-synchronized"
    clock: str = "holdover"
    oscillator: str = "warmed-up"
    bits: dict[str, bool] = field(default_factory=dict)
    pcps: frozenset[str] = frozenset({"freer"})
    source: frozenset[str] = frozenset({"not-settled"})
    signal_percent: int = 100
    agc: int = 142
    utc_offset_configured: bool = True
    other_source: bool = False

    @property
    def holds_over(self) -> bool:
        """Whether the clock runs on its oscillator alone."""
        return self.clock == "holdover"


_NO_DATA = {"data-available": False, "lock-on": False}
_LOST = frozenset({"no-signal"})

EFFECTS: dict[Scenario, Effect] = {
    # All but MODULE_PULLED: a module that is not there reports nothing.
    Scenario.LOCKED: Effect(
        receiver="synchronized",
        clock="synchronized",
        pcps=frozenset({"syncd"}),
        source=frozenset({"is-master", "is-locked", "is-accurate", "low-jitter"}),
    ),
    Scenario.COLD_START: Effect(
        clock="not-synchronized",
        oscillator="not-warmed-up",
        bits={"warmed-up": False, "lock-on": False, "pulses-enabled": False},
        pcps=frozenset({"freer", "invt"}),
    ),
    Scenario.NO_SIGNAL: Effect(
        bits=_NO_DATA, pcps=frozenset({"freer", "syncd"}), source=_LOST, signal_percent=0, agc=255
    ),
    Scenario.NO_SIGNAL_OTHER_SOURCE: Effect(
        clock="synchronized",
        bits=_NO_DATA,
        pcps=frozenset({"syncd"}),
        source=_LOST,
        signal_percent=0,
        agc=255,
        other_source=True,
    ),
    Scenario.INCONSISTENT_TELEGRAM: Effect(
        bits={"telegram-error": True, "lock-on": False}, pcps=frozenset({"freer", "syncd"})
    ),
    Scenario.JITTER: Effect(bits={"tcap-exceeded": True, "lock-on": False}, source=frozenset({"phase-not-locked"})),
    Scenario.UTC_OFFSET_MISSING: Effect(
        clock="not-synchronized",
        bits={"invalid-utc-parameter": True},
        pcps=frozenset({"freer", "invt"}),
        utc_offset_configured=False,
    ),
    Scenario.WRONG_CODE: Effect(bits=_NO_DATA, source=_LOST),
}

"""The LEDs on the front of a chassis."""

from enum import StrEnum
from itertools import islice
from typing import Self

from lantime.status.model import StatusModel
from lantime.status.values import flag, members, pick, plain, raw, text

MOST_LEDS = 32
"""Four are captured."""

_STEADY = "permanent"


class LedColour(StrEnum):
    """The colour of an LED. Green, red and off are captured, yellow and blue inferred."""

    GREEN = "green"
    RED = "red"
    YELLOW = "yellow"
    BLUE = "blue"
    OFF = "off"
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, value: object, *, lit: bool | None) -> Self:
        """Return the colour; what an LED that is off calls its colour differs: "none" on API 20, "blue" on 10 (captured)."""
        word = plain(raw(value) or "")
        if word in ("none", "off") or (word == "blue" and lit is False):
            return cls("off")
        return cls(word) if word in set(cls) else cls("unknown")


class Led(StatusModel):
    """One LED."""

    name: str
    """Captured: ref-time, time-service, network and alarm, each with ``led-`` before it."""
    colour: LedColour = LedColour.UNKNOWN
    """The present colour (captured key ``current-color``); OFF where it is not lit."""
    colour_raw: str | None = None
    """The colour as the device calls it."""
    lit: bool | None = None
    """Whether it is lit (captured key ``current-state``); what a blinking one reports was never captured."""
    mode: str | None = None
    """How it is lit; "permanent" is captured, a word for blinking was never seen."""

    @property
    def steady(self) -> Self:
        """The LED as it is compared: its colour as we call it, where we know it, and nothing that changes while it blinks.

        That a blinking LED's ``lit`` changes from poll to poll is inferred.
        """
        blinks = self.mode not in (None, _STEADY)
        known = self.colour is not LedColour.UNKNOWN
        return self.model_copy(
            update={"lit": None if blinks else self.lit, "colour_raw": None if known else self.colour_raw}
        )


def read_leds(value: object) -> tuple[Led, ...]:
    """Read ``front-leds``, an object of LEDs under their names (captured). Never raises."""
    found: dict[str, Led] = {}
    for name, entry in islice(members(value), MOST_LEDS):
        if name is None:
            continue
        lit = flag(pick(entry, "current-state"))
        colour = pick(entry, "current-color", "current-colour")
        shown = name.lower().removeprefix("led-")
        found.setdefault(
            shown,
            Led(
                name=shown,
                colour=LedColour.read(colour, lit=lit),
                colour_raw=raw(colour),
                lit=lit,
                mode=text(pick(entry, "current-mode")),
            ),
        )
    return tuple(found.values())

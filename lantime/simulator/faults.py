"""Requests that are asked to go wrong: which ones, how, and whether what they asked for is done all the same. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lantime.simulator.device import ControlError

LONGEST_DELAY_SECONDS = 30.0
_ERROR_STATUS = range(400, 600)


class Kind(StrEnum):
    """How an answer goes wrong."""

    STATUS = "status"
    """An error status with the API's error body."""
    HTML = "html"
    """200 and a login page, as a device may answer whose API is switched off (vendor document for other versions)."""
    EMPTY = "empty"
    """200 without a body."""
    RESET = "reset"
    """The connection is reset instead of an answer."""
    TRUNCATED = "truncated"
    """The answer's JSON ends in the middle."""
    SLOW = "slow"
    """The answer comes after the delay."""
    TRICKLE = "trickle"
    """The answer comes in small pieces spread over the delay."""


_SPOILED = frozenset({Kind.TRUNCATED, Kind.SLOW, Kind.TRICKLE})
"""These deliver the real answer badly, so that there always is one: what was asked has been done."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How requests under a path go wrong; ``method`` None means any.

    ``skip`` requests that fit are left alone first, then ``count`` fail. ``after_effect``: what was asked is done,
    only the answer is lost. Raises ControlError for values that make no sense.
    """

    kind: Kind = Kind.STATUS
    count: int = 1
    path_prefix: str = "/api"
    method: str | None = None
    status: int = 503
    skip: int = 0
    after_effect: bool = False
    delay_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.count < 1:
            raise ControlError(f"count={self.count!r} is not allowed: 1 or more")
        if self.status not in _ERROR_STATUS:
            raise ControlError(f"status={self.status!r} is not allowed: 400 to 599")
        if self.skip < 0:
            raise ControlError(f"skip={self.skip!r} is not allowed: 0 or more")
        if not 0.0 <= self.delay_seconds <= LONGEST_DELAY_SECONDS:
            raise ControlError(f"delay_seconds={self.delay_seconds!r} is not allowed: 0 to {LONGEST_DELAY_SECONDS:g}")
        if self.delay_seconds and self.kind not in {Kind.SLOW, Kind.TRICKLE}:
            raise ControlError(f"delay_seconds={self.delay_seconds!r} is not allowed: 0 for kind={self.kind}")

    @property
    def spares_the_effect(self) -> bool:
        """Whether what was asked is done before the answer goes wrong."""
        return self.after_effect or self.kind in _SPOILED

    def fits(self, path: str, method: str) -> bool:
        """Whether this request is one of those asked to fail."""
        return path.startswith(self.path_prefix) and (self.method is None or self.method.upper() == method)


@dataclass(kw_only=True)
class Faults:
    """The faults that are still to come, in the order in which they were asked for."""

    _waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Ask for one more."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Let every request succeed again."""
        self._waiting.clear()

    def next(self, path: str, method: str) -> Fault | None:
        """Return how this request goes wrong, and count it; None when it should succeed.

        The first fault that fits decides; one that still skips lets the request pass.
        """
        for position, fault in enumerate(self._waiting):
            if not fault.fits(path, method):
                continue
            if fault.skip:
                self._waiting[position] = replace(fault, skip=fault.skip - 1)
                return None
            if fault.count > 1:
                self._waiting[position] = replace(fault, count=fault.count - 1)
            else:
                del self._waiting[position]
            return fault
        return None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How an answer goes over the line, for the server: ``kind`` None is as it should be."""

    kind: Kind | None = None
    delay_seconds: float = 0.0


LOGIN_PAGE = "<!DOCTYPE html>\n<html><head><title>LANTIME Login</title></head><body><form>…</form></body></html>\n"
"""What a browser would see (invented)."""

REASONS: Mapping[int, str] = {
    401: "login needed",
    403: "the user's level is too low",
    404: "no such path",
    405: "not allowed here",
    409: "another user is editing this",
    422: "a value is out of range",
    500: "internal error",
    503: "the REST API is not ready",
}
"""What the body of an asked error says beside that it was asked for (invented)."""

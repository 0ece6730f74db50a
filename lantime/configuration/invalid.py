"""A value that cannot be set."""

from enum import Enum

from pydantic import ValidationError

from broker.errors import InterAppError

_SHOWN = 80
"""Characters of a value that an error shows."""


class InvalidSetting(InterAppError):
    """A value cannot be set on this device: names the field, the value and what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        shown = repr(value.value if isinstance(value, Enum) else value)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
        super().__init__(f"{field}={shown} is not allowed: {allowed}")


def invalid_setting(exc: ValidationError, needs: str = "") -> InvalidSetting:
    """Return the first error of a validation; ``needs`` says who needs a field that is missing."""
    first = exc.errors(include_url=False)[0]
    # Of a union's error the first part of the path is the mode that chose the branch.
    names = [str(part) for part in first["loc"]]
    field = ".".join(names[1:] if len(names) > 1 else names)
    if first["type"] == "missing":
        return InvalidSetting(field, None, f"it must be given{f', {needs} needs it' if needs else ''}")
    return InvalidSetting(field, first["input"], first["msg"][:1].lower() + first["msg"][1:])

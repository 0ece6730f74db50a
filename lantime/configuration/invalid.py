"""A value that cannot be set."""

from collections.abc import Mapping
from enum import Enum

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from broker.errors import InterAppError
from lantime.configuration.model import Whole

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


def invalid_setting(exc: ValidationError, needs: str, fields: Mapping[str, FieldInfo]) -> InvalidSetting:
    """Return the first error of a validation; ``needs`` says who needs a field that is missing, ``fields`` its limits."""
    first = exc.errors(include_url=False)[0]
    # Of a union's error the first part of the path is the mode that chose the branch.
    names = [str(part) for part in first["loc"]]
    field = ".".join(names[1:] if len(names) > 1 else names)
    if first["type"] == "missing":
        limits = [str(each) for each in fields[field].metadata if isinstance(each, Whole)] if field in fields else []
        return InvalidSetting(field, None, ": ".join([f"it must be given, {needs} needs it", *limits]))
    return InvalidSetting(field, first["input"], first["msg"][:1].lower() + first["msg"][1:])

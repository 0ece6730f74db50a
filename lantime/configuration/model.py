"""What the models of a module's configuration have in common, and the whole numbers that may be set."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class ReportedPart(BaseModel):
    """A part of the configuration as the device reports it: what it does not report, or nobody can read, is None."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class WantedPart(BaseModel):
    """A part of the configuration that may be written: within the limits, and with no field that it does not have."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Whole:
    """Annotates an ``int``: from ``lowest`` to ``highest``, in steps of ``step`` from 0. Errors name the whole range."""

    lowest: int
    highest: int
    step: int = 1

    def __str__(self) -> str:
        """Return the range in words."""
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.lowest} to {self.highest}{steps}"

    def check(self, value: int) -> int:
        """Return the value when it is in the range."""
        if not self.lowest <= value <= self.highest or value % self.step:
            raise PydanticCustomError("range", "allowed are {allowed}", {"allowed": str(self)})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after pydantic has made an int of it."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say the range in the JSON Schema too."""
        steps = {"multipleOf": self.step} if self.step > 1 else {}
        return handler(schema) | {"minimum": self.lowest, "maximum": self.highest} | steps

"""What all typed parts of a device status have in common."""

from pydantic import BaseModel, ConfigDict


class StatusModel(BaseModel):
    """A frozen part of a device status.

    Stored as JSON and read again by later versions, so unknown keys are ignored and missing ones have defaults.
    Each field's docstring ends with where its meaning comes from (``certainty``); it goes into the JSON Schema.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

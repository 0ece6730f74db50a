"""Every field says how certain its meaning is."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from lantime.status import (
    Certainty,
    ChassisStatus,
    ModuleStatus,
    Receiver,
    StateBits,
    Temperature,
    certainty_of,
    is_known,
)


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """Return every model that an annotation names, and those their fields name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return {annotation}.union(*(models_in(field.annotation) for field in fields))
    return set().union(*map(models_in, get_args(annotation)))


REACHABLE = sorted(models_in(ChassisStatus), key=lambda model: model.__name__)


def test_all_parts_are_looked_at() -> None:
    """The promise below is kept for the whole status, from the chassis to a bit of a receiver."""
    assert {ModuleStatus, Receiver, StateBits, Temperature} <= set(REACHABLE)


@pytest.mark.parametrize("model", REACHABLE)
def test_every_field_says_how_certain_it_is(model: type[BaseModel]) -> None:
    """Each field's docstring names where its meaning comes from, and JSON Schema repeats it to users of other languages."""
    assert [name for name in model.model_fields if not certainty_of(model, name)] == []
    described = model.model_json_schema()["properties"]
    assert [name for name, field in described.items() if not any(c in field["description"] for c in Certainty)] == []


def test_what_is_inferred_is_not_known() -> None:
    """A field is told as fact only where nothing about it is inferred; of a TCR nothing was captured."""
    assert is_known(ModuleStatus, "clock", is_tcr=True)
    assert not is_known(Receiver, "code", is_tcr=True)
    assert not is_known(Receiver, "state", is_tcr=True)
    assert is_known(Receiver, "state", is_tcr=False)
    assert not is_known(Receiver, "agc", is_tcr=False)

"""How certain it is what a field means: read from the field's own docstring."""

from enum import StrEnum
from typing import Any, get_args

from pydantic import BaseModel


class Certainty(StrEnum):
    """Where the knowledge of a field comes from, from the surest to the least sure."""

    CAPTURED = "captured"
    """Seen in the answer of a real device, if of another module than a TCR."""
    VENDOR_DOCUMENT = "vendor document"
    """Read in a document of the vendor or of an integrator."""
    SDK_HEADER = "SDK header"
    """Read in the vendor's SDK or MIB."""
    THIRD_PARTY = "third party"
    """Read in working code of somebody else."""
    INFERRED = "inferred"
    """Concluded from the others; no device was seen to say so."""
    INVENTED = "invented"
    """Ours, or chosen for the simulated device; nothing supports it."""


def certainty_of(model: type[BaseModel], field: str) -> frozenset[Certainty]:
    """Return every certainty that the field's docstring names: a key may be captured and its meaning inferred."""
    described = model.model_fields[field].description or ""
    return frozenset(each for each in Certainty if each.value in described)


def is_known(model: type[BaseModel], field: str, *, is_tcr: bool) -> bool:
    """Tell whether a field may be told as fact.

    Of a TCR nothing was captured, so whatever is inferred in any part is not; of other modules a captured field is.
    """
    found = certainty_of(model, field)
    if not is_tcr and Certainty.CAPTURED in found:
        return True
    return not found & {Certainty.INFERRED, Certainty.INVENTED}


def certainties(model: type[BaseModel]) -> dict[str, list[str]]:
    """Return the certainty of every value in a model, by its path: ``receiver.bits.lock_on``; members of lists count as one."""
    found: dict[str, list[str]] = {}
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            named = certainty_of(model, name)
            found[name] = [each.value for each in Certainty if each in named]
        else:
            found |= {f"{name}.{path}": words for path, words in certainties(inner).items()}
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := _model_in(part))), None)

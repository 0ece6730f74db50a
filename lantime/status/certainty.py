"""How certain it is what a field means: read from the field's own docstring."""

from enum import StrEnum

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

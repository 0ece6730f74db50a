"""What documents of the contract have in common."""

from pydantic import BaseModel, ConfigDict


class ContractDocument(BaseModel):
    """A frozen part of a message or a document; written by one version and read by others, so unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

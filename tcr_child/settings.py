"""Which slot the service serves: the ``TCR_…`` settings."""

from pydantic import field_validator
from pydantic_settings import SettingsConfigDict

from broker.settings import EnvironmentSettings
from lantime.status.slot import SLOT_ID

AUTO = "auto"


class TcrSettings(EnvironmentSettings):
    """Settings of a slot's service."""

    model_config = SettingsConfigDict(env_prefix="TCR_", env_ignore_empty=True)

    slot_id: str | None = None
    """Slot that this service serves, e.g. ``clk1``; ``auto``: whichever the chassis' service gives it, as a member of its pool."""

    @field_validator("slot_id")
    @classmethod
    def _slot_id(cls, value: str | None) -> str | None:
        if value is not None and not SLOT_ID.fullmatch(value):
            raise ValueError("a slot id of the chassis (1 to 16 of a-z, 0-9 and '-', as in clk1), or auto")
        return value

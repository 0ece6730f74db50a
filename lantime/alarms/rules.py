"""How alarms are damped, and what limits they have: the ``ALARM_…`` settings, as the rules that the decisions take."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from broker.settings import EnvironmentSettings


@dataclass(frozen=True, kw_only=True)
class AlarmRules:
    """Limits and damping."""

    clear_after: timedelta = timedelta(seconds=10)
    """How long the condition must be gone before an alarm is cleared."""
    flapping_raises: int = 3
    """An alarm that was raised so often within ``flapping_window`` flaps when it is raised once more."""
    flapping_window: timedelta = timedelta(minutes=10)
    """Also how long the condition must be gone before an alarm that flaps is cleared."""
    time_quality_limit_seconds: float = 1e-4


DEFAULT_RULES = AlarmRules()


class AlarmSettings(EnvironmentSettings):
    """Settings of alarms, for the services of the chassis and of the slots."""

    model_config = SettingsConfigDict(env_prefix="ALARM_", env_ignore_empty=True)

    clear_seconds: float = Field(default=10.0, ge=0.0, le=86_400.0, allow_inf_nan=False)
    """How long the condition must be gone before an alarm is cleared; 0: cleared at once."""
    flapping_raises: int = Field(default=3, ge=1, le=1000)
    """How often an alarm may be raised within ``flapping_seconds`` before it counts as flapping."""
    flapping_seconds: float = Field(default=600.0, ge=1.0, le=86_400.0, allow_inf_nan=False)
    """The time for ``flapping_raises``, and how long an alarm that flaps must be quiet before it is cleared."""
    time_quality_limit_us: float = Field(default=100.0, gt=0.0, le=10_000_000.0, allow_inf_nan=False)
    """Microseconds; a larger bound of the estimated time quality is an alarm."""

    @property
    def rules(self) -> AlarmRules:
        """Return them as the decisions take them."""
        return AlarmRules(
            clear_after=timedelta(seconds=self.clear_seconds),
            flapping_raises=self.flapping_raises,
            flapping_window=timedelta(seconds=self.flapping_seconds),
            # As the device's bounds are read: 100 µs is 0.0001 s, not a float beside it.
            time_quality_limit_seconds=float(f"{self.time_quality_limit_us / 1_000_000:.9g}"),
        )

"""The message that every contender carries: a receiver's status, about 1 KB of JSON, parsed by pydantic."""

from functools import cache

from pydantic import BaseModel


class Source(BaseModel):
    """One time source."""

    priority: int
    source: str
    instance: int
    bias_seconds: float
    precision_seconds: float
    offset_seconds: float
    is_master: bool
    is_locked: bool
    is_accurate: bool
    no_signal: bool


class StatusFields(BaseModel):
    """The fields of a status message."""

    number: int
    chassis: str = "m3000-a"
    slot: str = "clk1"
    model: str = "tcr180"
    serial: str = "068111020467"
    software: str = "v1.21"
    observed_at: str = "2026-11-26T18:30:00.000000Z"
    clock: str = "synchronized"
    receiver: str = "synchronized"
    oscillator: str = "warmed-up"
    time_quality: str = "less-than-10us"
    code: str = "b122-b123"
    signal_percent: int = 100
    agc: int = 142
    tfom: int = 0
    drift_us: float = 0.25
    temperature_celsius: float = 41.5
    bits: dict[str, bool] = {
        "warmed_up": True,
        "pulses_enabled": True,
        "invalid_sysconf": False,
        "data_available": True,
        "telegram_error": False,
        "lock_on": True,
        "tcap_exceeded": False,
        "invalid_utc_parameter": False,
    }
    sources: list[Source] = [
        Source(
            priority=0,
            source="irig",
            instance=0,
            bias_seconds=0.0,
            precision_seconds=1e-05,
            offset_seconds=-2.3e-07,
            is_master=True,
            is_locked=True,
            is_accurate=True,
            no_signal=False,
        ),
        Source(
            priority=1,
            source="ptp-ieee1588",
            instance=0,
            bias_seconds=0.0,
            precision_seconds=1e-07,
            offset_seconds=0.0,
            is_master=False,
            is_locked=False,
            is_accurate=False,
            no_signal=True,
        ),
    ]


class Status(StatusFields):
    """The message as the peers parse it."""


@cache
def body() -> bytes:
    """Return one message's JSON; what it says does not matter to anybody's speed."""
    return Status(number=0).model_dump_json().encode()

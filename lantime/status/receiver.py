"""The receiver object of a clock module: what its input for the time reports.

No capture of a TCR exists: the object's name and every key in it are inferred from the SDK's structs, the LCD menu
and the receiver objects of other modules. So names are tried in turn, and what is absent is "not reported", which
is not the same as "not synchronised".
"""

from collections.abc import Mapping
from itertools import chain
from typing import TypeVar

from lantime.status.model import StatusModel
from lantime.status.other_receivers import OTHER_NAMES, Antenna, ReceiverFlags, read_antenna, read_receiver_flags
from lantime.status.receiver_code import ReceiverCode
from lantime.status.states import Modulation, ReceiverState
from lantime.status.values import flag, flags, integer, mapping, number, pick, plain, raw, text

NAMES = ("tcr", "irig", "irig-rx", "timecode")
"""Names of a TCR's receiver object (inferred)."""
_NOT_A_RECEIVER = frozenset({"info", "mrs", "syncstatus", "supportedstringtypes"})
_TELLTALES = ("icode", "code", "tfom", "ref-offs", "utc-offset", "receiver-status")
"""Keys by which a receiver object under an unknown name is recognised."""

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "receiver-status": ("receiver-status", "status"),
    "icode": ("icode", "code", "irig-code", "time-code"),
    "ref-offs": ("ref-offs", "ref-offset", "utc-offset"),
    "ref-offs-configured": ("ref-offs-configured", "ref-offset-configured", "utc-offset-configured"),
    "tfom": ("tfom",),
    "agc": ("agc",),
    "drift": ("drift",),
    "signal": ("signal", "signal-strength"),
    "state": ("state",),
    "pcps": ("pcps",),
    "ctrl-bits": ("ctrl-bits", "control-bits"),
    "ref-type": ("ref-type",),
    "type": ("type",),
    "ignore-tfom": ("ignore-tfom", "disable-tfom"),
    "correlation": ("correlation",),
    "field-strength": ("field-strength",),
}

_NOT_CONFIGURED = frozenset({0x8000, -0x8000})
"""The SDK's mark in ``ref_offs`` for "not configured" (SDK header); a signed reading of it is tolerated."""
_LARGEST_OFFSET_MINUTES = 750

_STATE_BITS = (
    "warmed-up",
    "pulses-enabled",
    "invalid-sysconf",
    "data-available",
    "telegram-error",
    "lock-on",
    "tcap-exceeded",
    "invalid-utc-parameter",
    "internal-time-invalid",
    "time-set-via-api",
    "rtc-invalid",
    "cpu-pll-failure",
)
"""Bit 0 to 11 of the SDK's debug status (SDK header), of which the LCD shows 0 to 7 (vendor document); keys inferred."""

_PCPS_BITS = ("freer", "dl-enb", "syncd", "dl-ann", "utc", "ls-ann", "iftm", "invt")
"""Bit 0 to 7 of the PCPS status (SDK header); keys captured on a DCF77 module."""

KEYS = frozenset(chain(*_SYNONYMS.values(), _STATE_BITS, _PCPS_BITS))
"""Every key that is read in a receiver object."""

_CODES = tuple(code.value for code in ReceiverCode)


class StateBits(StatusModel):
    """The state bits of the receiver; None where the device says nothing."""

    warmed_up: bool | None = None
    """Bit 0: the oscillator has warmed up (vendor document, SDK header; key inferred)."""
    pulses_enabled: bool | None = None
    """Bit 1: the pulse outputs are on (vendor document, SDK header; key inferred)."""
    invalid_sysconf: bool | None = None
    """Bit 2: the configuration was lost and is the default (vendor document, SDK header; key inferred)."""
    data_available: bool | None = None
    """Bit 3: a time code is decoded (vendor document, SDK header; key inferred)."""
    telegram_error: bool | None = None
    """Bit 4: telegrams are not consistent (vendor document, SDK header; key inferred)."""
    lock_on: bool | None = None
    """Bit 5: the decoder's control loop is locked (vendor document, SDK header; key inferred)."""
    tcap_exceeded: bool | None = None
    """Bit 6: jitter of more than 100 us (vendor document, SDK header; key inferred)."""
    invalid_utc_parameter: bool | None = None
    """Bit 7: the UTC offset is not usable, or not configured (vendor document, SDK header; key inferred)."""
    internal_time_invalid: bool | None = None
    """Bit 8, only where the bits come as a number (SDK header; that a device tells it inferred)."""
    time_set_via_api: bool | None = None
    """Bit 9, only where the bits come as a number (SDK header; that a device tells it inferred)."""
    rtc_invalid: bool | None = None
    """Bit 10, only where the bits come as a number (SDK header; that a device tells it inferred)."""
    cpu_pll_failure: bool | None = None
    """Bit 11, only where the bits come as a number (SDK header; that a device tells it inferred)."""


class PcpsFlags(StatusModel):
    """The eight PCPS flags; None where the device says nothing."""

    freer: bool | None = None
    """Free running (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    dl_enb: bool | None = None
    """Daylight saving is on (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    syncd: bool | None = None
    """Synchronised since the last reset (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    dl_ann: bool | None = None
    """A change of daylight saving is announced (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    utc: bool | None = None
    """The time is UTC (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    ls_ann: bool | None = None
    """A leap second is announced (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    iftm: bool | None = None
    """The time was set by hand (SDK header, key captured on a PZF; presence on a TCR inferred)."""
    invt: bool | None = None
    """The time is invalid (SDK header, key captured on a PZF; presence on a TCR inferred)."""


class Receiver(StatusModel):
    """What the input reports; None where the device says nothing."""

    reported: bool = False
    """Whether the module has a receiver object at all (captured for GRC and PZF; inferred for a TCR)."""
    key: str | None = None
    """Its name: ``grc``, ``dcf77`` (captured), ``gns`` (third party), ``tcr`` (inferred)."""
    state: ReceiverState = ReceiverState.UNKNOWN
    """Whether the receiver follows its signal (captured on a GRC; inferred on a TCR)."""
    state_raw: str | None = None
    """The device's own word for it (captured on a GRC; inferred on a TCR)."""
    reference_type: str | None = None
    """What the device says it is synchronised by, which a capture contradicts: for display only (captured)."""
    code: str | None = None
    """The time code that is set: ``b122-b123`` (SDK header; key and spelling inferred)."""
    signal_type: str | None = None
    """The device's word: ``pzf`` (captured on a PZF), ``am`` or ``dcls`` (inferred)."""
    modulation: Modulation | None = None
    """AM or DCLS, by ``signal_type``, else by the code (SDK header; inferred)."""
    signal_percent: int | None = None
    """0 to 100 (SDK header, vendor document; key inferred)."""
    agc: int | None = None
    """Gain control, 0 to 255 (vendor document; key inferred)."""
    tfom: int | None = None
    """Time figure of merit of the code, 0 (locked) to 15 (failed) (vendor document, SDK header; key inferred)."""
    drift_us: float | None = None
    """Drift in microseconds (vendor document; key inferred)."""
    ignore_tfom: bool | None = None
    """Whether the receiver does not heed the TFOM (SDK header; key inferred)."""
    utc_offset_minutes: int | None = None
    """-750 to 750; None when it is not configured (SDK header; key inferred)."""
    utc_offset_configured: bool | None = None
    """Without it most codes are not followed (SDK header; key inferred)."""
    bits: StateBits = StateBits()
    """State bits (vendor document, SDK header; place inferred)."""
    pcps: PcpsFlags = PcpsFlags()
    """PCPS flags (captured on a PZF; presence on a TCR inferred)."""
    control_bits: int | None = None
    """The 32 control bits of the telegram (SDK header; key inferred)."""
    antenna: Antenna = Antenna()
    """Antenna of a GPS, GNSS or GRC (captured on a GRC)."""
    flags: ReceiverFlags = ReceiverFlags()
    """Flags of a GRC's receiver (captured on a GRC)."""
    correlation: int | None = None
    """Correlation of a PZF, as the device counts it (captured on a PZF; unit not known)."""
    field_strength: int | None = None
    """Field strength of a PZF, as the device counts it (captured on a PZF; unit not known)."""
    missing: tuple[str, ...] = ()
    """What this API version is expected to report of a TCR and this device does not (inferred)."""

    @property
    def says_something(self) -> bool:
        """Whether anything in the receiver object was understood."""
        frame = {"reported": False, "key": None, "missing": ()}
        return self.model_copy(update=frame) != Receiver()


def read_receiver(module: Mapping[str, object], expected: frozenset[str]) -> Receiver:
    """Read the receiver object out of a module; ``expected`` are the keys its API version should report."""
    key, found = _find(module)
    if found is None:
        return Receiver()
    part = {name: pick(found, *synonyms) for name, synonyms in _SYNONYMS.items()}
    offset = integer(part["ref-offs"])
    configured = flag(part["ref-offs-configured"])
    if offset in _NOT_CONFIGURED:
        offset, configured = None, False
    code, signal_type = _code(part["icode"]), text(part["type"])
    return Receiver(
        reported=True,
        key=text(key),
        state=ReceiverState.read(part["receiver-status"]),
        state_raw=raw(part["receiver-status"]),
        reference_type=text(part["ref-type"]),
        code=code,
        signal_type=signal_type,
        modulation=_modulation(signal_type, code),
        signal_percent=_within(integer(part["signal"]), 0, 100),
        agc=_within(integer(part["agc"]), 0, 255),
        tfom=_within(integer(part["tfom"]), 0, 15),
        drift_us=number(part["drift"]),
        ignore_tfom=flag(part["ignore-tfom"]),
        utc_offset_minutes=_within(offset, -_LARGEST_OFFSET_MINUTES, _LARGEST_OFFSET_MINUTES),
        utc_offset_configured=configured,
        bits=_named(StateBits, part["state"], _STATE_BITS),
        pcps=_named(PcpsFlags, part["pcps"], _PCPS_BITS),
        control_bits=_within(integer(part["ctrl-bits"]), 0, 2**32 - 1),
        antenna=read_antenna(pick(found, "antenna")),
        flags=read_receiver_flags(pick(found, "receiver")),
        correlation=integer(part["correlation"]),
        field_strength=integer(part["field-strength"]),
        missing=tuple(sorted(name for name in expected if part.get(name) is None)),
    )


def has_receiver(module: Mapping[str, object]) -> bool:
    """Tell whether a module holds a receiver object."""
    return _find(module)[1] is not None


def _find(module: Mapping[str, object]) -> tuple[str | None, Mapping[str, object] | None]:
    children = {plain(key): (key, mapping(child)) for key, child in module.items() if isinstance(child, Mapping)}
    for name in (*NAMES, *OTHER_NAMES):
        if plain(name) in children:
            return children[plain(name)]
    for name, (key, child) in children.items():
        if name not in _NOT_A_RECEIVER and any(pick(child, telltale) is not None for telltale in _TELLTALES):
            return key, child
    return None, None


def _code(value: object) -> str | None:
    code = integer(value)
    # A code beyond the list (a later firmware may add one, even "auto") is kept as it came.
    return _CODES[code] if code is not None and 0 <= code < len(_CODES) else text(value)


def _modulation(signal_type: str | None, code: str | None) -> Modulation | None:
    found = Modulation.read(signal_type)
    if found is None and code in _CODES:
        # The SDK's names say it of each code: what is not DCLS is AM.
        return Modulation.DCLS if code.endswith("-dcls") else Modulation.AM
    return found


def _within(value: int | None, lowest: int, highest: int) -> int | None:
    return value if value is not None and lowest <= value <= highest else None


_F = TypeVar("_F", StateBits, PcpsFlags)


def _named(model: type[_F], value: object, names: tuple[str, ...]) -> _F:
    return model(**{name.replace("-", "_"): found for name, found in flags(value, names).items()})

"""The receiver object of a TCR module: what its time code input reports.

No capture of a TCR exists: the object's name and every key in it are inferred from the SDK's structs, the LCD menu
and the receiver objects of other modules. So names are tried in turn, and what is absent is "not reported", which
is not the same as "not synchronised".
"""

from collections.abc import Mapping
from typing import TypeVar

from lantime.status.model import StatusModel
from lantime.status.states import ReceiverState
from lantime.status.values import flag, flags, integer, mapping, number, pick, plain, raw, text

_NAMES = ("tcr", "irig", "irig-rx", "timecode")
_NOT_A_RECEIVER = frozenset({"info", "mrs", "syncstatus", "supportedstringtypes"})
_TELLTALES = ("icode", "code", "tfom", "ref-offs", "utc-offset")
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
)
"""Bit 0 to 7 of the SDK's debug status and of the LCD (SDK header, vendor document); keys inferred."""

_PCPS_BITS = ("freer", "dl-enb", "syncd", "dl-ann", "utc", "ls-ann", "iftm", "invt")
"""Bit 0 to 7 of the PCPS status (SDK header); keys captured on a DCF77 module."""

_CODES = (
    *("b122-b123", "a132-a133", "b002-b003-dcls", "a002-a003-dcls"),
    *("afnor-nf-s87-500", "afnor-nf-s87-500-dcls", "ieee1344", "ieee1344-dcls"),
    *("b126-b127", "b006-b007-dcls", "g142", "g002-dcls"),
    *("c37.118", "c37.118-dcls", "txc-101-dtr-6", "txc-101-dtr-6-dcls"),
    *("e112", "e002-dcls", "nasa-36", "nasa-36-dcls"),
    *("a136-a137", "a006-a007-dcls", "g146", "g006-dcls"),
)
"""Receiver codes 0 to 23 (SDK header); the spelling is inferred."""


class StateBits(StatusModel):
    """The eight state bits of the receiver; None where the device says nothing."""

    warmed_up: bool | None = None
    pulses_enabled: bool | None = None
    invalid_sysconf: bool | None = None
    data_available: bool | None = None
    telegram_error: bool | None = None
    lock_on: bool | None = None
    tcap_exceeded: bool | None = None
    invalid_utc_parameter: bool | None = None


class PcpsFlags(StatusModel):
    """The eight PCPS flags; None where the device says nothing.

    ``freer`` free running, ``dl_enb`` daylight saving on, ``syncd`` synchronised since reset, ``dl_ann`` daylight
    saving announced, ``utc`` time is UTC, ``ls_ann`` leap second announced, ``iftm`` time set by hand, ``invt``
    time invalid (SDK header).
    """

    freer: bool | None = None
    dl_enb: bool | None = None
    syncd: bool | None = None
    dl_ann: bool | None = None
    utc: bool | None = None
    ls_ann: bool | None = None
    iftm: bool | None = None
    invt: bool | None = None


class Receiver(StatusModel):
    """What the time code input reports; ``reported`` is False when the module has no receiver object.

    ``signal_percent`` 0..100, ``agc`` 0..255, ``tfom`` 0 (locked) .. 15 (failed), ``drift_us`` in microseconds,
    ``utc_offset_minutes`` -750..750 or None, ``code`` the time code set (``b122-b123``), ``signal_type`` ``am`` or
    ``dcls``, ``control_bits`` the 32-bit word of the telegram. ``missing`` names what this API version is expected
    to report and this device does not.
    """

    reported: bool = False
    key: str | None = None
    state: ReceiverState = ReceiverState.UNKNOWN
    state_raw: str | None = None
    code: str | None = None
    signal_type: str | None = None
    signal_percent: int | None = None
    agc: int | None = None
    tfom: int | None = None
    drift_us: float | None = None
    ignore_tfom: bool | None = None
    utc_offset_minutes: int | None = None
    utc_offset_configured: bool | None = None
    bits: StateBits = StateBits()
    pcps: PcpsFlags = PcpsFlags()
    control_bits: int | None = None
    missing: tuple[str, ...] = ()


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
    return Receiver(
        reported=True,
        key=text(key),
        state=ReceiverState.read(part["receiver-status"]),
        state_raw=raw(part["receiver-status"]),
        code=_code(part["icode"]),
        signal_type=text(pick(found, "type")),
        signal_percent=_within(integer(part["signal"]), 0, 100),
        agc=_within(integer(part["agc"]), 0, 255),
        tfom=_within(integer(part["tfom"]), 0, 15),
        drift_us=number(part["drift"]),
        ignore_tfom=flag(pick(found, "ignore-tfom", "disable-tfom")),
        utc_offset_minutes=_within(offset, -_LARGEST_OFFSET_MINUTES, _LARGEST_OFFSET_MINUTES),
        utc_offset_configured=configured,
        bits=_named(StateBits, part["state"], _STATE_BITS),
        pcps=_named(PcpsFlags, part["pcps"], _PCPS_BITS),
        control_bits=_within(integer(part["ctrl-bits"]), 0, 2**32 - 1),
        missing=tuple(sorted(name for name in expected if part.get(name) is None)),
    )


def _find(module: Mapping[str, object]) -> tuple[str | None, Mapping[str, object] | None]:
    children = {plain(key): (key, mapping(child)) for key, child in module.items() if isinstance(child, Mapping)}
    for name in _NAMES:
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


def _within(value: int | None, lowest: int, highest: int) -> int | None:
    return value if value is not None and lowest <= value <= highest else None


_F = TypeVar("_F", StateBits, PcpsFlags)


def _named(model: type[_F], value: object, names: tuple[str, ...]) -> _F:
    return model(**{name.replace("-", "_"): found for name, found in flags(value, names).items()})

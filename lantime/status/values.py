"""Reading single values of a device answer. Nothing here raises, whatever JSON comes in.

The captures show the same field as number and as string, blank-padded strings, ``null``, and "N/A", "-",
"unknown" or "never" where there is no value (captured). What cannot be read is ``None``.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

_NO_VALUE = frozenset({"", "na", "unknown", "never", "none", "null"})
_DECIMAL = re.compile(r"[-+]?\d{1,18}(\.\d{1,18})?([eE][-+]?\d{1,2})?")
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_NEITHER = re.compile(r"[\W_]+")
"""Neither letters nor digits."""
_LARGEST = 2**63 - 1
"""Beyond it no number of a device means anything, and no database would take it."""
_LONGEST = 200
"""Characters kept of a text: more than any captured one has, little enough for a table's cell."""
_NOISE = 1e-6
"""How far from a whole number a value may be: far more than a float's noise, far less than a step of any value."""
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def plain(name: str) -> str:
    """Return ``name`` in lower case with letters and digits only: firmware versions differ in the rest."""
    return _NEITHER.sub("", name.lower())


def raw(value: object) -> str | None:
    """Return a scalar as one line of printable text for display, or None for anything else or blank."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) <= _LARGEST else None
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    # Unprintable characters (NUL, lone surrogates) cannot be stored by every database nor shown on a terminal.
    kept = value[: 2 * _LONGEST]
    if not kept.isprintable():
        kept = "".join(character if character.isprintable() else " " for character in kept)
    return " ".join(kept.split())[:_LONGEST] or None


def text(value: object) -> str | None:
    """Return a text, or None where the device says that it has none (blank, N/A, -, unknown, never)."""
    shown = raw(value)
    return None if shown is None or plain(shown) in _NO_VALUE else shown


def number(value: object) -> float | None:
    """Return a finite number given as number or as decimal or hexadecimal string, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = _number_in(value.strip())
    if not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if abs(value) <= _LARGEST else None


def integer(value: object) -> int | None:
    """Return a whole number; noise in the last digits (captured on V20) is rounded away, a fraction is None."""
    found = number(value)
    if found is None:
        return None
    nearest = round(found)
    return nearest if abs(found - nearest) < _NOISE else None


def flag(value: object) -> bool | None:
    """Return a yes or no given as bool, 0/1 or word, else None."""
    if isinstance(value, bool):
        return value
    shown = raw(value)
    if shown is None:
        return None
    if shown.lower() in _TRUE:
        return True
    return False if shown.lower() in _FALSE else None


def flags(value: object, names: Sequence[str]) -> dict[str, bool | None]:
    """Return one yes, no or None per name, from an object of flags or from a number whose bit i is names[i]."""
    if isinstance(value, Mapping):
        return {name: flag(pick(value, name)) for name in names}
    bits = integer(value)
    if bits is None or bits < 0:
        return dict.fromkeys(names)
    return {name: bool(bits >> position & 1) for position, name in enumerate(names)}


def mapping(value: object) -> Mapping[str, object]:
    """Return ``value`` when it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def pick(container: Mapping[str, object], *names: str) -> object:
    """Return the first of ``names`` that is a key, compared on letters and digits only; None when none is."""
    drifted: dict[str, object] | None = None
    for name in names:
        if name in container:
            return container[name]
        if drifted is None:
            drifted = {plain(key): found for key, found in container.items()}
        if plain(name) in drifted:
            return drifted[plain(name)]
    return None


def members(value: object) -> Iterator[tuple[str | None, Mapping[str, object]]]:
    """Yield (object id, object) of a list of objects, or of an object of objects under their names."""
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, list | tuple):
        pairs = ((mapping(item).get("object-id"), item) for item in value)
    for name, item in pairs:
        if isinstance(item, Mapping):
            yield text(item.get("object-id")) or text(name), item


def _number_in(shown: str) -> int | float | None:
    if _HEXADECIMAL.fullmatch(shown):
        return int(shown, 16)
    return float(shown) if _DECIMAL.fullmatch(shown) else None

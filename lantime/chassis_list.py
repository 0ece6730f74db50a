"""Which chassis a process serves: those of the list in the TOML file of ``--config``, else the one of ``LANTIME_…``.

Each entry of the list has the settings of ``LantimeSettings`` under their names in lower case. What it does not give is
as the ``LANTIME_…`` variables, or the file's table ``[lantime]``, say.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from broker.errors import SettingError
from broker.settings import CONFIG_VARIABLE, read_toml
from lantime.client import LantimeClient
from lantime.settings import LantimeSettings

_PREFIX = "LANTIME_"
_OWN = ("name", "url")
"""What every entry must give itself: it would be the same for all."""

_PASSWORDS = ("password", "password_file")
_HIDDEN = "********"
_EXAMPLES = {"name": "the address of its service, as in m3000-a", "url": "the device, as in https://m3000.example.com"}


def load_chassis() -> tuple[LantimeSettings, ...]:
    """Return the settings of every chassis to serve, one or more.

    Without a list that is the one of ``LANTIME_…``. With one it is all of the list, or the one that LANTIME_NAME names.
    Raises SettingError.
    """
    entries = _entries()
    shared = LantimeSettings.load()
    if entries is None:
        return (shared,)
    if "url" in shared.model_fields_set:
        way_out = "unset while --config lists [[chassis]]; move it to its entry, or take the list out"
        raise SettingError("LANTIME_URL", shared.url, way_out)
    listed = _checked([_settings(number, entry) for number, entry in enumerate(entries, start=1)])
    if "name" not in shared.model_fields_set:
        return listed
    chosen = tuple(settings for settings in listed if settings.name == shared.name)
    if not chosen:
        raise SettingError("LANTIME_NAME", shared.name, f"one of the list in --config: {_names(listed)}")
    return chosen


def load_one_chassis() -> LantimeSettings:
    """Return the settings of the chassis that a slot's service belongs to. Raises SettingError when there are several."""
    listed = load_chassis()
    if len(listed) > 1:
        raise SettingError(
            "LANTIME_NAME", "", f"the chassis of this slot, one of the list in --config: {_names(listed)}"
        )
    return listed[0]


def _entries() -> list[dict[str, Any]] | None:
    """Return the list in the file of ``--config``, or None when there is no file or no list in it."""
    file = os.environ.get(CONFIG_VARIABLE)
    values = read_toml(Path(file)) if file else {}
    tables = [name for name in values if name.startswith("CHASSIS_")]
    entries = values.get("CHASSIS")
    if tables or (entries is not None and not _is_list_of_tables(entries)):
        raise SettingError("chassis", "a table" if tables else _HIDDEN, "a list: [[chassis]] before each entry")
    return entries


def _is_list_of_tables(entries: object) -> bool:
    return isinstance(entries, list) and bool(entries) and all(isinstance(entry, dict) for entry in entries)


def _settings(number: int, entry: Mapping[str, Any]) -> LantimeSettings:
    given = {key.lower().replace("-", "_"): value for key, value in entry.items() if value != ""}
    for name in given.keys() - LantimeSettings.model_fields.keys():
        # Its value is not shown: it may be a password under a misspelt name.
        known = ", ".join(LantimeSettings.model_fields)
        raise SettingError(f"chassis[{number}].{name}", _HIDDEN, f"no such setting; known are {known}")
    for name in _OWN:
        if name not in given:
            raise SettingError(f"chassis[{number}].{name}", "", f"needed: {_EXAMPLES[name]}")
    if given.keys() & set(_PASSWORDS):
        # Its own login, not one half of it and the other half of the one that all share.
        given = dict.fromkeys(_PASSWORDS) | given
    try:
        settings = LantimeSettings.load(**given)
        # What only its use tells, as of a PEM file without a certificate, must be said of the entry, too.
        LantimeClient.from_settings(settings).close()
    except SettingError as exc:
        field = exc.setting.removeprefix(_PREFIX).lower()
        if field not in given:
            raise
        allowed = re.sub(rf"{_PREFIX}([A-Z_]+)", lambda found: found[1].lower(), exc.allowed)
        raise SettingError(f"chassis[{number}].{field}", exc.value, allowed) from exc
    return settings


def _checked(listed: Sequence[LantimeSettings]) -> tuple[LantimeSettings, ...]:
    """Refuse names of which one cannot be told from another, or from the service of another's slot."""
    numbers: dict[str, int] = {}
    for number, settings in enumerate(listed, start=1):
        for other, taken in numbers.items():
            if settings.name == other:
                raise SettingError(f"chassis[{number}].name", other, f"another name: chassis[{taken}] has this one")
            if f"{settings.name}.".startswith(f"{other}.") or f"{other}.".startswith(f"{settings.name}."):
                way_out = f"not below {other}, the name of chassis[{taken}], nor above it: slots have such addresses"
                raise SettingError(f"chassis[{number}].name", settings.name, way_out)
        numbers[settings.name] = number
    return tuple(listed)


def _names(listed: Sequence[LantimeSettings]) -> str:
    return ", ".join(settings.name for settings in listed)

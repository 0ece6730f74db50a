"""Which keys of a module no reader knows: what a new firmware or another module brings."""

from collections.abc import Iterator, Mapping

from lantime.status import module, mrs, other_receivers, receiver
from lantime.status.values import plain

_DEEPEST = 16
_KNOWN = frozenset(
    plain(key)
    for key in (
        *module.KEYS,
        *mrs.KEYS,
        *receiver.KEYS,
        *receiver.NAMES,
        *other_receivers.KEYS,
        *other_receivers.OTHER_NAMES,
    )
)


def unknown_keys(reported: object) -> list[tuple[str, ...]]:
    """Return the path of every key that is not known, each once, in the order they come; what is below one is left out."""
    return list(dict.fromkeys(_unknown(reported, (), _DEEPEST)))


def _unknown(value: object, path: tuple[str, ...], levels: int) -> Iterator[tuple[str, ...]]:
    if isinstance(value, list) and levels:
        for each in value:
            yield from _unknown(each, path, levels - 1)
    if not isinstance(value, Mapping) or not levels:
        return
    for key, each in value.items():
        if plain(key) in _KNOWN or plain(key).startswith("temperature"):
            yield from _unknown(each, (*path, key), levels - 1)
        else:
            yield (*path, key)

"""SyncMon: what a device measures of other clocks in the network.

Where the nodes are is captured (``syncmon.nodes``), but never with one in it: what a node looks like is not known. So
whatever it says is kept as text, and shown as such.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from lantime.status.model import StatusModel
from lantime.status.values import members, pick, raw, text

_MOST_NODES = 100
_MOST_FIELDS = 20
_LONGEST = 80
"""Characters of a value, and of its name: with the bounds above, all of it fits into a message."""
_DEEPEST = 3
_NAMES = ("name", "node-name", "hostname", "address", "ip-address")


class SyncMonNode(StatusModel):
    """One node. All of it is inferred."""

    name: str
    """Its name or address under one of several likely keys, else its object id, else its number in the list."""
    fields: dict[str, str]
    """Every single value that it holds, as text; keys of inner objects are joined by dots."""


def read_nodes(value: object) -> tuple[SyncMonNode, ...]:
    """Read ``syncmon.nodes``. Never raises."""
    return tuple(
        SyncMonNode(
            name=next((name for key in _NAMES if (name := text(pick(entry, key)))), None) or object_id or f"{number}",
            fields=dict(islice(_fields(entry, "", _DEEPEST), _MOST_FIELDS)),
        )
        for number, (object_id, entry) in enumerate(islice(members(value), _MOST_NODES), start=1)
    )


def _fields(entry: Mapping[str, object], prefix: str, levels: int) -> Iterator[tuple[str, str]]:
    for key, value in entry.items():
        name = f"{prefix}{raw(key) or '-'}"
        if isinstance(value, Mapping):
            if levels > 1:
                yield from _fields(value, f"{name}.", levels - 1)
        elif (shown := raw(value)) is not None:
            yield name[:_LONGEST], shown[:_LONGEST]

"""What other packages add to ``interapp stats``, by the entry points ``interapp.stats``."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from broker.runtime import plugins
from broker.table.database import Database


@dataclass(frozen=True, slots=True)
class AddedStats:
    """What one package adds: a value of JSON for programs, lines for people, and what it could not count."""

    value: object
    lines: Sequence[str] = ()
    problems: Sequence[str] = ()
    """One line each, for stderr."""


Counting = Callable[[Database, int], AddedStats]
"""Given the database and the time in microseconds since 1970. Its entry point's name is its key in the JSON object."""


def added_stats(database: Database, now_us: int, *, taken: Collection[str]) -> tuple[dict[str, AddedStats], list[str]]:
    """Return what each package adds by its name, and one line for each that is broken: it harms no other.

    ``taken`` are the keys that no package can have.
    """
    added: dict[str, AddedStats] = {}
    problems: list[str] = []
    for name in plugins.names(plugins.STATS):
        try:
            added[name] = _counted(name, database, now_us, taken)
        except Exception as exc:  # noqa: BLE001 whatever another package raises is named
            where = plugins.whose(plugins.STATS, name)
            problems.append(f"no statistics {name!r} from {where or 'no package'}: {type(exc).__name__}: {exc}")
        else:
            problems += added[name].problems
    return added, problems


def _counted(name: str, database: Database, now_us: int, taken: Collection[str]) -> AddedStats:
    if name in taken:
        raise ValueError(f"the name {name!r} is taken by interapp itself")
    found = plugins.load(plugins.STATS, name)(database, now_us)
    if not isinstance(found, AddedStats):
        raise TypeError(f"it returned no AddedStats but a {type(found).__name__}")
    json.dumps(found.value, allow_nan=False)
    return found

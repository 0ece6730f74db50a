"""What installed packages add to interapp by entry points."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from broker.errors import InterAppError


def names(group: str) -> list[str]:
    """Return the names that installed packages registered in a group."""
    return sorted({point.name for point in entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """Return what is registered under the name.

    Raises InterAppError that names the package when it cannot be loaded, or when two packages took the name.
    """
    found = list(entry_points(group=group, name=name))
    if len(found) != 1:
        said = whose(group, name) or "no package"
        raise InterAppError(f"{name!r} ({group}) should come from one package, but {said} has it; uninstall the others")
    try:
        return found[0].load()
    except InterAppError:
        raise
    except Exception as exc:
        raise InterAppError(
            f"{name!r} ({group}) of {_origin(found[0])} cannot be loaded: {type(exc).__name__}: {exc};"
            " repair or uninstall it"
        ) from exc


def whose(group: str, name: str) -> str:
    """Return which packages registered something under the name, and what; empty when none did."""
    return ", ".join(sorted(_origin(point) for point in entry_points(group=group, name=name)))


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an unknown package"
    return f"{package} ({point.value})"

"""What other packages add by entry points. One that cannot be loaded is named and harms no other."""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from broker.errors import InterAppError

APPS = "interapp.apps"
"""What ``interapp up`` runs: name -> callable that returns a Service."""

COMMANDS = "interapp.commands"
"""Commands beside the built-in ones: name -> click command."""

HANDLERS = "interapp.handlers"
"""Registries: name -> HandlerRegistry; one with ``extends`` adds handlers to the apps of that registry's name."""

STATS = "interapp.stats"
"""What others add to ``interapp stats``: name -> callable, see ``broker.cli.added_stats``."""

TRIALS = "INTERAPP_PLUGINS"
"""Setting that names further registries, for quick trials: ``module:attribute``."""


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
    return _loaded(found[0], f"{name!r} ({group}) of {_origin(found[0])}", "repair or uninstall it")


def whose(group: str, name: str) -> str:
    """Return which packages registered something under the name, and what; empty when none did."""
    return ", ".join(sorted(_origin(point) for point in entry_points(group=group, name=name)))


def load_trial(name: str) -> Any:
    """Return what one name of INTERAPP_PLUGINS stands for; its module may lie in the working folder.

    Raises InterAppError that says why it cannot be loaded.
    """
    if "" not in sys.path:
        # The installed command does not look there, as `python -m` does.
        sys.path.insert(0, "")
    return _loaded(EntryPoint(name, name, TRIALS), f"{name!r} ({TRIALS})", "mend it, or take it out of the setting")


def _loaded(point: EntryPoint, what: str, way_out: str) -> Any:
    try:
        return point.load()
    except InterAppError:
        raise
    except Exception as exc:
        raise InterAppError(f"{what} cannot be loaded: {type(exc).__name__}: {exc}; {way_out}") from exc


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an unknown package"
    return f"{package} ({point.value})"

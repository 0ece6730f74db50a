"""The registries of installed packages: what ``kinds`` lists, what ``send`` checks, what extends the apps of a service."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from broker.errors import InterAppError
from broker.handlers.registry import HandlerRegistry
from broker.messages.catalogue import Catalogue
from broker.messages.codecs import Codecs
from broker.runtime import plugins
from broker.settings import plugin_names


def load_registries(trials: str) -> tuple[list[HandlerRegistry[Any]], list[str]]:
    """Return the registries of installed packages and of INTERAPP_PLUGINS, and one line for each that cannot be loaded."""
    registries: list[HandlerRegistry[Any]] = []
    problems: list[str] = []
    wanted = [
        (plugins.HANDLERS, name, partial(plugins.load, plugins.HANDLERS, name))
        for name in plugins.names(plugins.HANDLERS)
    ]
    wanted += [(plugins.TRIALS, name, partial(plugins.load_trial, name)) for name in plugin_names(trials)]
    for group, name, get in wanted:
        try:
            registry = get()
        except InterAppError as exc:
            problems.append(str(exc))
            continue
        if not isinstance(registry, HandlerRegistry):
            problems.append(f"{name!r} ({group}) is no HandlerRegistry but a {type(registry).__name__}")
        elif registry not in registries:
            registries.append(registry)
    return registries, problems


def catalogue_of(registries: Iterable[HandlerRegistry[Any]]) -> Catalogue:
    """Return every kind of the registries. Raises InterAppError when two classes have one kind, naming both."""
    catalogue = Catalogue()
    for registry in registries:
        try:
            catalogue.update(registry.catalogue)
        except TypeError as exc:
            raise InterAppError(f"{exc}; uninstall one of the packages, or rename its kind") from exc
    return catalogue


def codecs_of(registries: Iterable[HandlerRegistry[Any]]) -> Codecs:
    """Return every codec of the registries. Raises InterAppError when two have one content type, naming both."""
    codecs = Codecs()
    for registry in registries:
        try:
            codecs |= registry.codecs
        except TypeError as exc:
            raise InterAppError(f"{exc}; uninstall one of the packages") from exc
    return codecs


def load_extensions(trials: str) -> list[HandlerRegistry[Any]]:
    """Return the registries that extend others.

    Raises InterAppError, naming the package and the way out, when a registry cannot be loaded, two classes have one kind,
    two handlers are for one kind of one sort of app, or a registry extends what does not exist: a service must not start
    with half of its handlers.
    """
    registries, problems = load_registries(trials)
    if problems:
        raise InterAppError(problems[0])
    catalogue_of(registries)
    codecs_of(registries)
    bases = {registry.name: registry for registry in registries if not registry.extends}
    extensions = [registry for registry in registries if registry.extends]
    for registry in extensions:
        if registry.extends not in bases:
            raise InterAppError(
                f"registry {registry.name!r} extends {registry.extends!r}, and there is no registry of that name;"
                f" there are {', '.join(sorted(bases))}"
            )
    for base in bases.values():
        extended(base, extensions)
    return extensions


def extended(registry: HandlerRegistry[Any], extensions: Iterable[HandlerRegistry[Any]]) -> HandlerRegistry[Any]:
    """Return the registry with what extends it. Raises InterAppError when two have a handler for one kind, naming both."""
    try:
        return registry.extended(extensions)
    except TypeError as exc:
        raise InterAppError(f"{exc}; uninstall one of the packages, or rename its kind") from exc

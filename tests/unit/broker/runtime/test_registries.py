"""Handlers of other packages: how they join the apps they extend, and what is refused at the start."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import ClassVar

import pytest

from broker.errors import InterAppError
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.messages.message import Command
from broker.runtime import plugins, registries

MODULE = """
from typing import ClassVar
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.messages.message import Command

class Open(Command[None]):
    kind: ClassVar[str] = "{kind}"

handlers = HandlerRegistry[object]("door", extends="{extends}")

@handlers.handles(Open)
def open_door(command: Open, ctx: Context[object]) -> None:
    pass

number = 7
"""


class Ring(Command[None]):
    kind: ClassVar[str] = "door.ring"


def ring(command: Ring, ctx: Context[object]) -> None:
    """Ring."""


def ring_otherwise(command: Ring, ctx: Context[object]) -> None:
    """Ring in another way."""


def registry(name: str, *functions: object, extends: str = "") -> HandlerRegistry[object]:
    """Return a registry with these handlers of Ring."""
    made = HandlerRegistry[object](name, extends=extends)
    for function in functions:
        made.handles(Ring)(function)  # type: ignore[arg-type, type-var] # handlers, as given
    return made


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Write a module with handlers into the working folder; return its name in INTERAPP_PLUGINS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    written: list[str] = []

    def write(kind: str = "door.open", extends: str = "tcr", attribute: str = "handlers") -> str:
        name = f"trial_{tmp_path.name}_{len(written)}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(MODULE.format(kind=kind, extends=extends), encoding="utf-8")
        written.append(name)
        return f"{name}:{attribute}"

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_an_extension_joins_its_sort_of_app_and_no_other() -> None:
    """Handlers of a registry that extends another are those of its apps too; the registry itself is left as it is."""
    base, extension = registry("tcr"), registry("door", ring, extends="tcr")
    whole = base.extended([extension])
    assert [handler.name for handler in whole] == [f"{__name__}.ring"]
    assert "door.ring" in whole.catalogue
    assert list(base) == []
    assert registry("chassis").extended([extension]).get("door.ring") is None


def test_without_an_extension_nothing_changes() -> None:
    """A registry that nobody extends is used as it is."""
    base = registry("tcr", ring)
    assert base.extended([registry("door", extends="chassis")]) is base


def test_two_handlers_for_one_kind_are_refused_naming_both() -> None:
    """An extension cannot replace a handler, silently or otherwise."""
    with pytest.raises(InterAppError, match=r"door\.ring.*\.ring and .*\.ring_otherwise; uninstall"):
        registries.extended(registry("tcr", ring), [registry("door", ring_otherwise, extends="tcr")])


def test_a_module_of_the_working_folder_is_tried_out(trial: object) -> None:
    """INTERAPP_PLUGINS names registries that no package installs, also in the working folder."""
    (extension,) = (each for each in registries.load_extensions(trial()) if each.name == "door")  # type: ignore[operator]
    assert (extension.name, extension.extends) == ("door", "tcr")
    assert "door.open" in extension.catalogue


def test_what_extends_nothing_is_refused(trial: object) -> None:
    """A misspelt base would leave its messages unhandled for ever: it is said at the start, with the names there are."""
    with pytest.raises(InterAppError, match=r"'door' extends 'tcrr'.*chassis, tcr"):
        registries.load_extensions(trial(extends="tcrr"))  # type: ignore[operator]


def test_a_kind_that_is_taken_is_refused_naming_both(trial: object) -> None:
    """A kind stands for one class in all packages."""
    with pytest.raises(InterAppError, match=r"tcr\.get-status.*lantime\.contract\.slot\.GetSlotStatus.*trial_"):
        registries.load_extensions(trial(kind="tcr.get-status"))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere_at_all:handlers", "ModuleNotFoundError"),
        ("json:nothing", "AttributeError"),
    ],
)
def test_what_cannot_be_loaded_is_named(trial: object, name: str, said: str) -> None:
    """A registry that cannot be loaded keeps a service from starting, and is one line in a listing."""
    with pytest.raises(InterAppError, match=rf"'{name}' \(INTERAPP_PLUGINS\) cannot be loaded: {said}"):
        registries.load_extensions(name)
    found, (problem,) = registries.load_registries(name)
    assert {each.name for each in found} >= {"chassis", "tcr"}
    assert name in problem


def test_what_is_no_registry_is_named(trial: object) -> None:
    """Something else under the name is refused as what it is."""
    with pytest.raises(InterAppError, match="is no HandlerRegistry but a int"):
        registries.load_extensions(trial(attribute="number"))  # type: ignore[operator]


def test_a_broken_package_keeps_a_service_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose handlers cannot be loaded is named: a service does not start with half of its handlers."""
    points = [EntryPoint("broken", "nowhere_at_all:handlers", plugins.HANDLERS)]
    monkeypatch.setattr(plugins, "entry_points", lambda **wanted: EntryPoints(points).select(**wanted))
    with pytest.raises(InterAppError, match=r"'broken' \(interapp\.handlers\).*repair or uninstall it"):
        registries.load_extensions("")

"""Middleware of installed packages."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from broker.errors import InterAppError
from broker.runtime import plugins
from broker.runtime.middleware.loading import GROUP, load_middleware
from broker.runtime.middleware.metering import Metering
from broker.runtime.middleware.tracing import Tracing

PLACE = "broker.runtime.middleware.tracing"


class Package:
    name = "clever-package"


def point(value: str, name: str = "clever") -> EntryPoint:
    """Return an entry point of an installed package."""
    made = EntryPoint(name, value, GROUP)
    vars(made).update(dist=Package())
    return made


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have these entry points installed."""

    def install(*points: EntryPoint) -> None:
        def found(*, group: str, name: str | None = None) -> list[EntryPoint]:
            return [each for each in points if group == GROUP and name in (None, each.name)]

        monkeypatch.setattr(plugins, "entry_points", found)

    return install


def test_each_is_made(install: Any) -> None:
    """Every installed middleware is made, in the order of the names; none installed is none."""
    install(point(f"{PLACE}:Tracing", "b"), point(f"{PLACE}:Tracing", "a"))
    assert [type(each) for each in load_middleware()] == [Tracing, Tracing]
    install()
    assert load_middleware() == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no.such.module:Thing", "ModuleNotFoundError"),
        (f"{PLACE}:Nothing", "AttributeError"),
        ("broker.runtime.middleware.metering:Metering", "TypeError"),
        ("broker.lifecycle.ids:new_id", "makes no Middleware but a str"),
        ("broker.runtime.middleware.loading:GROUP", "'str' object is not callable"),
    ],
)
def test_the_package_of_a_broken_one_is_named(install: Any, value: str, said: str) -> None:
    """What cannot be loaded, cannot be made or makes something else is refused, naming package, value and reason."""
    assert Metering
    install(point(value))
    with pytest.raises(InterAppError, match=r"'clever' \(interapp\.middleware\) of clever-package \(") as caught:
        load_middleware()
    assert said in str(caught.value)
    assert value in str(caught.value)
    assert "repair or uninstall it" in str(caught.value)

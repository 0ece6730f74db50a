"""What other packages add to ``interapp stats``."""

import json
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from broker.cli.added_stats import AddedStats
from broker.runtime import plugins


class Package:
    name = "counting-package"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have these functions installed, by name; None stands for one that cannot be loaded."""

    def install(**counting: Any) -> None:
        module = ModuleType("counting")
        points = []
        for name, function in counting.items():
            setattr(module, name, function)
            where = "nowhere_at_all" if function is None else "counting"
            point = EntryPoint(name, f"{where}:{name}", plugins.STATS)
            vars(point).update(dist=Package())
            points.append(point)
        monkeypatch.setitem(sys.modules, "counting", module)

        def found(*, group: str, name: str | None = None) -> list[EntryPoint]:
            return [each for each in points if group == plugins.STATS and name in (None, each.name)]

        monkeypatch.setattr(plugins, "entry_points", found)

    return install


def test_what_is_added_is_beside_the_rest(cli: Any, rows: Any, install: Any) -> None:
    """A package's value is under its name in the JSON, its lines are below the others; the rest is as without it."""
    rows.waiting()
    install()
    before = json.loads(cli("stats", "--json").stdout)
    install(doors=lambda _database, _now_us: AddedStats(value={"open": 2}, lines=["2 doors are open"]))
    after = json.loads(cli("stats", "--json").stdout)
    assert after.pop("doors") == {"open": 2}
    assert {**after, "oldest_waiting_seconds": 0} == {**before, "oldest_waiting_seconds": 0}
    assert cli("stats").stdout.splitlines()[-1] == "2 doors are open"


def raises(_database: object, _now_us: int) -> AddedStats:
    """Break."""
    raise ZeroDivisionError("no doors")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (None, "nowhere_at_all"),
        (raises, "ZeroDivisionError: no doors"),
        ("no function", "not callable"),
        (lambda _database, _now_us: {"open": 2}, "no AddedStats but a dict"),
        (lambda _database, _now_us: AddedStats(value=object()), "not JSON serializable"),
        (lambda _database, _now_us: AddedStats(value=float("nan")), "not JSON compliant"),
    ],
)
def test_one_that_is_broken_is_named_and_harms_no_other(
    cli: Any, rows: Any, install: Any, broken: Any, said: str
) -> None:
    """A package whose statistics cannot be had is named on stderr with the reason; all others are there, and it is no failure."""
    rows.waiting()
    install(bad=broken, doors=lambda _database, _now_us: AddedStats(value=1, problems=["a door cannot be seen"]))
    done = cli("stats", "--json")
    assert done.exit_code == 0
    line = json.loads(done.stdout)
    assert line["doors"] == 1
    assert "bad" not in line
    problem, other = done.stderr.splitlines()
    assert "counting-package" in problem
    assert said in problem
    assert other == "a door cannot be seen"


def test_a_name_that_is_taken_is_refused(cli: Any, rows: Any, install: Any) -> None:
    """No package can replace what interapp itself counts."""
    rows.waiting()
    install(states=lambda _database, _now_us: AddedStats(value={}))
    done = cli("stats", "--json")
    assert json.loads(done.stdout)["states"]["waiting"] == 1
    assert "'states' is taken" in done.stderr

"""What docs/simulator.md tells a reader to type works, and nothing is left out."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from unit.simulated import login

from lantime.simulator.api import SimulatedRequest, respond
from lantime.simulator.command import simulator
from lantime.simulator.controls import ACTIONS, Controls
from lantime.simulator.faults import Kind
from lantime.simulator.scenario import Scenario
from lantime.simulator.timeline import parse_timeline

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
CURL = re.compile(r"^curl -u (\w+):\w+(?: -X (\w+))? \$SIM(/\S+)(?: -d '(.+)')?$", re.MULTILINE)


def test_every_example_works() -> None:
    """Each curl line of the page, one after the other, is answered 200."""
    controls = Controls(model="M3000")
    lines = CURL.findall(PAGE)
    assert len(lines) == PAGE.count("curl -u") > 20
    for user, method, path, body in lines:
        controls.faults.clear()
        request = SimulatedRequest(
            method=method or "GET",
            path=path,
            authorization=login(user),
            body=body.encode(),
            from_this_machine=True,
        )
        assert respond(controls, request).status == 200, path


def test_the_time_line_of_the_page_can_be_played() -> None:
    """The page's time line passes its rehearsal."""
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    Controls(model="M3000", scenario=parse_timeline(tomllib.loads(block), "docs/simulator.md"))


@pytest.mark.parametrize("word", [*sorted(ACTIONS), *Scenario, *Kind])
def test_nothing_is_left_out(word: str) -> None:
    """Every control, scenario and way to go wrong is on the page."""
    assert re.search(rf"[`/]{word}\b", PAGE)


def test_help_names_every_scenario_and_the_page_every_option() -> None:
    """An operator finds the scenarios' names in the help, and the options on the page."""
    text = " ".join(CliRunner().invoke(simulator, ["--help"]).output.split())
    assert [name for name in Scenario if name not in text.replace("- ", "-")] == []
    options = {option for parameter in simulator.params for option in parameter.opts}
    assert [option for option in options if f"`{option}`" not in PAGE] == []

"""The phases of an executor, as `interapp handlers show` draws them."""

import json
from typing import Any

import pytest

from broker.cli.timeline import WIDTH
from broker.lifecycle.state import Reason, State

PHASES = '[["gather", 60000], ["validate", 12], ["apply", 30000]]'


def lines(text: str) -> list[str]:
    """Return the lines of the timeline."""
    return [line for line in text.splitlines() if "█" in line]


def test_a_line_a_phase(cli: Any, rows: Any) -> None:
    """Each phase has a line with its bar and its duration; the one that the run stopped in is marked."""
    row = rows.final(State.FAILED, Reason.ERROR, "OSError: broken", phase="apply", phases=PHASES)
    gather, validate, apply = lines(cli("handlers", "show", row.id).stdout)
    assert gather.split()[0] == "gather"
    assert gather.count("█") == 60000 * WIDTH // 90012
    assert gather.endswith("60 ms")
    assert validate.count("█") == 1
    assert validate.endswith("0 ms")
    assert apply.index("█") >= validate.index("█")
    assert "30 ms  ✗ stopped here" in apply


def test_a_success_has_no_mark(cli: Any, rows: Any) -> None:
    """Nothing is marked in the timeline of a run that succeeded."""
    row = rows.final(State.SUCCEEDED, phases=PHASES)
    assert "stopped" not in cli("handlers", "show", row.id).stdout


def test_json(cli: Any, rows: Any) -> None:
    """Programs get the phases in order, in milliseconds; a handler without phases has none."""
    row = rows.final(State.SUCCEEDED, phases=PHASES)
    shown = json.loads(cli("handlers", "show", row.id, "--json").stdout)
    assert shown["phases"] == [
        {"phase": "gather", "ms": 60.0},
        {"phase": "validate", "ms": 0.012},
        {"phase": "apply", "ms": 30.0},
    ]
    plain = rows.final(State.SUCCEEDED, kind="t.plain")
    assert json.loads(cli("handlers", "show", plain.id, "--json").stdout)["phases"] == []
    assert "phases" not in cli("handlers", "show", plain.id).stdout


@pytest.mark.parametrize("phases", ["[]", '[["apply", 0]]', '[["gather", 0], ["apply", 99999999999]]'])
def test_any_durations(cli: Any, rows: Any, phases: str) -> None:
    """No time at all and a very long time can both be drawn."""
    row = rows.final(State.SUCCEEDED, phases=phases)
    assert len(lines(cli("handlers", "show", row.id).stdout)) == len(json.loads(phases))
    assert all(line.count("█") <= WIDTH for line in lines(cli("handlers", "show", row.id).stdout))

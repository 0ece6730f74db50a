"""Who races in which round."""

from collections import Counter
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks.contender import CONTENDERS, OURS_PG, Contender, Metric
from benchmarks.plan import Plan
from benchmarks.process import ContenderFailed
from benchmarks.results import Results
from benchmarks.run import Run
from benchmarks.sizes import QUICK

OURS = next(each for each in CONTENDERS if each.name == OURS_PG)
PEER = next(each for each in CONTENDERS if each.peer)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, Metric]]:
    """How often each is measured for each metric; the peer hangs whenever it handles."""
    counted = Counter[tuple[str, Metric]]()

    def measure(_servers: object, contender: Contender, metric: Metric, _sizes: object) -> dict[str, float]:
        counted[contender.name, metric] += 1
        if contender is PEER and metric is Metric.HANDLE:
            raise ContenderFailed("it hangs")
        return {metric: 1.0}

    monkeypatch.setattr(program, "measure", measure)
    return counted


def race(*races: tuple[Contender, Metric]) -> None:
    """Race for three rounds."""
    servers: Any = None
    program.race(Run(servers, QUICK, 3, Results()), Plan(races, ()))


def test_a_peer_that_hangs_is_given_up_for_that_metric(measured: Counter[tuple[str, Metric]]) -> None:
    """It takes its time once, not in every round; its other metrics, and everybody else's, are measured in each."""
    race((PEER, Metric.HANDLE), (PEER, Metric.PUBLISH), (OURS, Metric.HANDLE))
    assert measured == {
        (PEER.name, Metric.HANDLE): 1,
        (PEER.name, Metric.PUBLISH): 3,
        (OURS.name, Metric.HANDLE): 3,
    }


def test_what_the_run_is_about_may_not_hang(
    measured: Counter[tuple[str, Metric]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When interapp, or raw pika, fails there is no run."""

    def measure(*_given: object) -> dict[str, float]:
        raise ContenderFailed("it hangs")

    monkeypatch.setattr(program, "measure", measure)
    with pytest.raises(ContenderFailed, match="it hangs"):
        race((OURS, Metric.HANDLE))
    assert not measured

"""The watch over consumers: what is noticed, when, and what is done about it."""

from dataclasses import replace

import pytest

from broker.runtime.vigil import QUIET_SECONDS, Sight, Verdict, Vigil

WELL = Sight(
    connected=True,
    registered=True,
    backlog=0,
    room=True,
    delivered=10,
    unknown=0,
    worked=10,
    busy=False,
    active=True,
)
UNREGISTERED = replace(WELL, registered=False)
UNDELIVERED = replace(WELL, backlog=5)
UNWORKED = replace(WELL, unknown=3)


def verdicts(*sights: Sight, every: float = 5.0) -> list[Verdict]:
    """Return what a vigil decides when it sees these, one after the other."""
    vigil = Vigil()
    return [vigil.judge(sight, now * every) for now, sight in enumerate(sights)]


def test_an_idle_consumer_is_well_for_ever() -> None:
    """Nothing to deliver and nothing to do is no trouble, however long it lasts."""
    assert set(verdicts(*[WELL] * 100)) == {Verdict.WELL}


@pytest.mark.parametrize("sight", [UNREGISTERED, UNDELIVERED, UNWORKED])
def test_a_consumer_without_progress_is_rebuilt_within_thirty_seconds(sight: Sight) -> None:
    """A consumer that RabbitMQ does not know, or that does not move while there is work, is rebuilt in time."""
    decided = verdicts(WELL, *[sight] * 6)
    first = decided.index(Verdict.REBUILD)
    assert first * 5.0 <= 30.0
    assert set(decided[1:first]) <= {Verdict.WELL, Verdict.DOUBTFUL}


@pytest.mark.parametrize("sight", [UNREGISTERED, UNDELIVERED, UNWORKED])
def test_when_rebuilding_does_not_help_the_process_ends(sight: Sight) -> None:
    """After two rebuilds without progress nothing but a restart is left."""
    decided = [verdict for verdict in verdicts(*[sight] * 40) if verdict in (Verdict.REBUILD, Verdict.GIVE_UP)]
    assert decided[:3] == [Verdict.REBUILD, Verdict.REBUILD, Verdict.GIVE_UP]


def test_progress_is_proof_enough() -> None:
    """Messages that wait are no trouble while deliveries arrive or are worked off."""
    arriving = [replace(UNDELIVERED, delivered=n) for n in range(100)]
    working = [replace(UNWORKED, worked=n) for n in range(100)]
    assert set(verdicts(*arriving)) | set(verdicts(*working)) == {Verdict.WELL}


def test_a_rebuild_that_helped_is_forgotten() -> None:
    """Trouble that comes again much later is rebuilt again, not given up on."""
    vigil, now, given = Vigil(), 0.0, []
    for episode in range(5):
        for _ in range(6):
            given.append(vigil.judge(replace(UNDELIVERED, delivered=episode), now))
            now += 5.0
        vigil.judge(replace(WELL, delivered=episode + 100), now)
        now += 5.0
    assert Verdict.GIVE_UP not in given
    assert given.count(Verdict.REBUILD) == 5


@pytest.mark.parametrize(
    "sight",
    [
        replace(UNDELIVERED, active=False),
        replace(UNDELIVERED, room=False),
        replace(UNWORKED, busy=True),
        replace(UNREGISTERED, connected=False),
    ],
)
def test_what_others_do_is_no_trouble(sight: Sight) -> None:
    """A standby, a full prefetch, a long handler and a lost connection are known reasons for silence."""
    assert set(verdicts(*[sight] * 50)) == {Verdict.WELL}


def test_the_trouble_is_named_while_it_lasts() -> None:
    """Health gets one line that names what is wrong, and none once it is over."""
    vigil = Vigil()
    vigil.judge(UNDELIVERED, 0.0)
    vigil.judge(UNDELIVERED, QUIET_SECONDS + 1)
    assert vigil.trouble == "5 messages wait at RabbitMQ and none is delivered"
    vigil.judge(WELL, QUIET_SECONDS + 2)
    assert vigil.trouble == ""

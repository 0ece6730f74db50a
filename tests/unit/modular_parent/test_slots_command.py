"""``interapp slots`` and ``interapp slots show``, over a real database."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel

from broker.cli.root import interapp
from broker.lifecycle.clock import SystemClock
from broker.messages.effects import DocumentWrite
from broker.table.database import Database
from broker.table.documents import write_documents
from broker.table.upgrade import upgrade
from lantime.contract import CLOCKS, MODULE, SLOTS, STATUS, ModuleRecord, SlotRecord, seen
from lantime.status import ClockState, ReceiverState, parse_slot

NOW = datetime.now(UTC)
EARLIER = NOW - timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command look at the clock when the records here were made."""
    monkeypatch.setattr(SystemClock, "now_us", lambda _clock: round(NOW.timestamp() * 1_000_000))


TCR: dict[str, Any] = {
    "info": {"model": "tcr180", "serial-number": "068", "sensors": {"temperature-1": 41.5, "temperature-2": 0.0}},
    "mrs": [
        {
            "object-id": "priority0",
            "info": {"settings": {"bias": 0.0, "precision": 1e-05, "id": {"type": "irig", "instance": 0}}},
            "status": {"status": {"is-master": True, "is-locked": True}, "offset": -2.3e-07, "ssm": 0, "soc": 3},
        }
    ],
    "sync-status": {
        "osc-type": "ocxo-sq",
        "est-time-quality": "less-than-10us",
        "clock-status": {"clock": "synchronized", "oscillator": "warmed-up"},
    },
    "tcr": {
        "receiver-status": "tuning",
        "icode": "b122-b123",
        "ref-offs": 0x8000,
        "agc": 142,
        "state": 0b0010_1011,
        "ctrl-bits": "0x0A000000",
    },
}
GRC: dict[str, Any] = {
    "info": {"model": "grc180"},
    "sync-status": {"clock-status": {"clock": "holdover"}},
    "grc": {"receiver-status": "synchronized", "antenna": {"connected": True, "short-circuit": False}},
}


class Kept:
    """What services have kept, and the command line that reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, app: str, collection: str, key: str, document: BaseModel) -> None:
        """Keep a document of an app."""
        write = DocumentWrite(collection, key, document.model_dump_json())
        with self._database.write() as connection:
            write_documents(connection, app, [write], 0)

    def slot(self, slot: str = "clk1", *, chassis: str = "m1000-a", **fields: Any) -> None:
        """Keep a slot of a chassis."""
        record = SlotRecord(slot=slot, **{"type": "clk", "present": True, "last_seen": NOW} | fields)
        self.put(chassis, SLOTS, slot, record)

    def run(self, *args: str) -> Result:
        """Run ``interapp slots ARGS…``."""
        return CliRunner().invoke(interapp, ["slots", *args])

    def shown(self, *args: str) -> str:
        """Return what ``interapp slots show`` prints."""
        result = self.run("show", *args)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """An empty database that the settings name."""
    for name in os.environ:
        if name.startswith("INTERAPP_"):
            monkeypatch.delenv(name)
    url = f"sqlite:///{tmp_path / 'interapp.db'}"
    monkeypatch.setenv("INTERAPP_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    database = Database(url)
    upgrade(database)
    yield Kept(database)
    database.close()


@pytest.fixture
def tcr(kept: Kept) -> Kept:
    """A TCR180 in clk1 of m1000-a, whose service keeps its status."""
    kept.slot(model="tcr180", serial="068", app="m1000-a.clk1")
    kept.put("m1000-a.clk1", MODULE, STATUS, record(TCR))
    return kept


def record(module: Any, known: ModuleRecord | None = None, at: datetime = NOW) -> ModuleRecord:
    """Return the record after a look at clk1."""
    made = seen(known, parse_slot("clk1", {"slot-type": "clk", "module": module}, api_major=20), at)
    assert made is not None
    return made


def line_of(text: str, label: str) -> str:
    """Return what stands behind a label."""
    (found,) = [line.strip()[len(label) :].strip() for line in text.splitlines() if line.strip().startswith(label)]
    return found


def test_the_listing_shows_the_states_of_any_clock(kept: Kept) -> None:
    """A clock module's states and time quality stand in its line, null in JSON where there is none."""
    states = {"clock": ClockState.HOLDOVER, "receiver": ReceiverState.SYNCHRONIZED, "time_quality": "< 25 us"}
    kept.slot(model="grc180", status_at=NOW, **states)
    kept.slot("pwr1", model="psu", type="pwr")
    first, second = [json.loads(line) for line in kept.run("--json").stdout.splitlines()]
    assert {key: first[key] for key in states} == {key: str(value) for key, value in states.items()}
    assert first["status_at"].startswith(NOW.strftime("%Y-%m-%dT%H:%M:%S"))
    assert [second[key] for key in (*states, "status_at")] == [None] * 4
    table = kept.run().stdout.splitlines()
    assert "CLOCK" in table[0]
    assert "holdover" in table[1]
    assert "< 25 us" in table[1]


def test_a_state_that_the_last_look_did_not_say_has_its_age(kept: Kept) -> None:
    """A clock's state that is older than the last look is listed with its age, not as the state of now."""
    kept.slot(model="grc180", clock=ClockState.SYNCHRONIZED, status_at=EARLIER)
    assert "synchronized, 5 min ago" in kept.run().stdout


def test_a_removed_clock_has_no_state(kept: Kept) -> None:
    """What was known of a module that was pulled is not listed as the slot's state."""
    kept.slot(model="grc180", present=False, clock=ClockState.SYNCHRONIZED, status_at=NOW)
    assert "synchronized" not in kept.run().stdout
    assert json.loads(kept.run("--json").stdout)["clock"] is None


def test_all_of_a_tcr_is_shown_with_units(tcr: Kept) -> None:
    """Every understood value of a TCR is shown in its group, with its unit; what was not reported is said."""
    text = tcr.shown("clk1")
    assert text.startswith("m1000-a.clk1  tcr180  serial 068  software unknown")
    assert line_of(text, "time quality") == "< 10 us"
    assert line_of(text, "state ~") == "unknown to interapp: tuning"
    assert line_of(text, "AGC ~") == "142 of 255"
    assert line_of(text, "UTC offset ~") == "not configured"
    assert line_of(text, "modulation ~") == "am"
    assert line_of(text, "state bits ~") == "warmed-up, pulses-enabled, data-available, lock-on"
    assert line_of(text, "control bits ~") == "0x0a000000"
    assert line_of(text, "TFOM") == "not reported"
    assert (
        line_of(text, "0 irig ~")
        == "instance 0; is-master, is-locked; offset -230 ns; bias 0 s; precision 10 us; SSM 0; outages 3"
    )
    assert line_of(text, "temperature-1") == "41.5 °C"
    assert line_of(text, "temperature-2") == "no reading"


def test_what_is_inferred_is_never_told_as_fact(tcr: Kept) -> None:
    """What is inferred is marked and a footnote says what that means; what was captured is not marked."""
    text = tcr.shown("clk1")
    assert "~ inferred, no fact: no answer of a real TCR was available" in text
    assert line_of(text, "oscillator type") == "ocxo-sq"
    assert "Expected of a TCR with this API version, and not reported: ctrl" not in text
    assert "drift" in text.split("not reported: ")[-1]


def test_a_slot_in_json_carries_the_certainty_of_each_value(tcr: Kept) -> None:
    """In JSON the whole status comes with what is stale, and for each value where its meaning comes from."""
    line = json.loads(tcr.shown("m1000-a.clk1", "--json"))
    assert (line["chassis"], line["slot"], line["model"], line["app"]) == ("m1000-a", "clk1", "tcr180", "m1000-a.clk1")
    assert line["status"]["receiver"]["agc"] == 142
    assert line["stale"] == {}
    assert line["certainty"]["clock"] == ["captured"]
    assert line["certainty"]["receiver.agc"] == ["vendor document", "inferred"]
    assert line["certainty"]["mrs.status.is_master"] == ["SDK header", "inferred"]


def test_what_was_understood_before_is_shown_with_its_age(tcr: Kept) -> None:
    """After a look that could not be read the last status is shown, each value with how old it is."""
    before = record(TCR, at=EARLIER)
    tcr.put("m1000-a.clk1", MODULE, STATUS, record(TCR | {"sync-status": 7}, before))
    text = tcr.shown("clk1")
    assert line_of(text, "time quality") == "< 10 us  (as of 5 min ago: the last look did not say)"
    assert "as of" not in line_of(text, "AGC ~")


def test_another_clock_is_read_where_the_chassis_keeps_it(kept: Kept) -> None:
    """A clock module without a service is shown, without what only a TCR has; captured values are not marked."""
    kept.slot(model="grc180")
    kept.put("m1000-a", CLOCKS, "clk1", record(GRC))
    text = kept.shown("clk1")
    assert "receiver (grc)" in text
    assert line_of(text, "antenna") == "connected"
    assert "TFOM" not in text
    assert "~" not in text


def test_a_clock_of_which_nothing_is_understood_says_so(kept: Kept) -> None:
    """A module in a clock's slot that reports nothing known is shown as such, with a way to change it."""
    kept.slot(model="new180")
    kept.put("m1000-a", CLOCKS, "clk1", record({"info": {"model": "new180"}}))
    assert "it reports nothing that is understood; interapp device-report" in kept.shown("clk1")


def test_a_slot_of_several_chassis_must_be_named_whole(kept: Kept) -> None:
    """A slot id that several chassis have is refused with the names to choose from."""
    kept.slot()
    kept.slot(chassis="m1000-b")
    result = kept.run("show", "clk1")
    assert result.exit_code == 1
    assert "say m1000-a.clk1 or m1000-b.clk1" in result.stderr
    assert kept.shown("m1000-b.clk1").startswith("m1000-b.clk1")


@pytest.mark.parametrize("name", ["clk9", "m1000-b.clk1", ".", ""])
def test_an_unknown_slot_is_refused(kept: Kept, name: str) -> None:
    """A slot that is not there is refused with those that are."""
    kept.slot()
    result = kept.run("show", name)
    assert result.exit_code == 1
    assert "known are m1000-a.clk1" in result.stderr


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model": "psu", "type": "pwr"}, "no clock module sits in it"),
        ({"model": "tcr180", "app": "m1000-a.clk1"}, "m1000-a.clk1 has kept none yet"),
        ({"present": False}, "empty"),
    ],
)
def test_why_there_is_no_status(kept: Kept, fields: dict[str, Any], says: str) -> None:
    """Where there is no status to show, the reason is said, and JSON has null."""
    kept.slot(**fields)
    assert says in kept.shown("clk1")
    assert json.loads(kept.shown("clk1", "--json"))["status"] is None


def test_a_removed_module_is_shown_as_the_last(tcr: Kept) -> None:
    """Of a module that was pulled the last status is shown, said to be that of before."""
    tcr.slot(model="tcr180", serial="068", app="m1000-a.clk1", present=False)
    tcr.put("m1000-a.clk1", MODULE, STATUS, record(None, record(TCR, at=EARLIER)))
    text = tcr.shown("clk1")
    assert text.startswith("m1000-a.clk1  empty; the last module was tcr180")
    assert line_of(text, "status of").startswith("5 min ago")


def test_an_option_of_the_listing_is_not_lost(kept: Kept) -> None:
    """An option before the subcommand is refused, not ignored."""
    kept.slot()
    assert kept.run("--json", "show", "clk1").exit_code == 2

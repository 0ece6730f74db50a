"""An operator configures modules by command: services as processes of their own, a simulated device over HTTPS."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from acceptance.fleet import CHASSIS, OK, Fleet, Line, Service

from servers.postgresql import PostgreSQLAddress
from servers.processes import InterappProcess, eventually
from servers.rabbitmq import RabbitMQAddress

CLK1, CLK2 = f"{CHASSIS}.clk1", f"{CHASSIS}.clk2"
WRITING = {"LANTIME_WRITE": "true", "LANTIME_USERNAME": "admin", "LANTIME_PASSWORD": "admin"}
PATIENCE_S = 60.0

# They share one installation, which is what takes time.
pytestmark = [pytest.mark.xdist_group("configuration"), pytest.mark.timeout(300)]


class Setting(NamedTuple):
    """A command that sets something, and what a path of the device's configuration then holds."""

    kind: str
    body: dict[str, Any]
    path: str
    value: object
    difference: str
    """The first field that it says differs."""


SETTINGS = [
    Setting(
        "tcr.set-output",
        {"output": 2, "mode": "pulse-per-min", "pulse_length_ms": 500},
        "programmable-outputs/output2/settings/pulse-length",
        0.5,
        "pulse_length_ms",
    ),
    Setting(
        "tcr.set-receiver",
        {"code": "ieee1344", "ignore_tfom": True, "delay_compensation": {"b1xx_ns": 1500}},
        "receiver/delay-compensation/b1xx/value",
        1.5e-6,
        "code",
    ),
    Setting(
        "tcr.set-mrs",
        {"sources": [{"source": "ptp-ieee1588", "precision_ns": 100}, {"source": "irig", "precision_ns": 10_000}]},
        "mrs/priority0/info/settings/id/type",
        "ptp-ieee1588",
        "priority0.source",
    ),
    Setting("tcr.set-time-code-output", {"local_time": True}, "time-code-output/local-time", True, "local_time"),
    Setting("tcr.set-holdover", {"pulses": "always"}, "enable-flags/pulses", "always", "pulses"),
    Setting("tcr.set-serial-port", {"port": 3, "baud_rate": 9600}, "serial-ports/com3/baudrate", 9600, "baud_rate"),
    Setting(
        "tcr.set-synthesizer",
        {"frequency_decihertz": 100_000_000},
        "synthesizer/frequency",
        10e6,
        "frequency_decihertz",
    ),
]
OUTPUT, _, MRS, *_ = SETTINGS
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.kind)


class Installation:
    """A device over HTTPS, the service of its chassis, one of clk1 that may write and one of clk2 that may not."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        port = fleet.simulator_port
        simulator = fleet._start(
            InterappProcess("simulator", "--model", "M3000", "--port", str(port), cwd=fleet.folder)
        )
        certificate = simulator.wait_for_line(r"certificate (\S+)")[1]
        self.url = f"https://127.0.0.1:{port}"
        fleet.env |= {"LANTIME_URL": self.url, "LANTIME_CA_FILE": certificate, "LANTIME_TIMEOUT_SECONDS": "3"}
        trusted = ssl.create_default_context(cafile=certificate)
        self._http = httpx.Client(base_url=self.url, verify=trusted, trust_env=False)
        self.factory = {slot: self.read(slot=slot) for slot in ("clk1", "clk2")}
        (fleet.folder / "field.toml").write_text('name = "field"\n', encoding="utf-8")
        self.parent = fleet.parent()
        self.children = {
            "clk1": fleet.child("clk1", LANTIME_WRITE_PROFILE="field.toml", **WRITING),
            "clk2": fleet.child("clk2"),
        }
        for service in (self.parent, *self.children.values()):
            service.wait_ready()
        self._sent = 0

    def close(self) -> None:
        """Close the connections of this test."""
        self._http.close()

    def replace(self, slot: str, **env: str) -> Service:
        """Kill the service of a slot and start another."""
        self.children[slot].kill()
        self.children[slot] = self.fleet.child(slot, **env).wait_ready()
        return self.children[slot]

    def control(self, action: str, **arguments: object) -> None:
        """Do something to the device, as its admin."""
        body = {name.replace("_", "-"): value for name, value in arguments.items()}
        answer = self._http.post(f"/simulator/{action}", json=body, auth=("super", "super"))
        assert answer.status_code == OK, answer.text

    def fail(self, path: str, **how: object) -> None:
        """Let the next request that writes below a path go wrong."""
        self.control("fail-requests", **{"path_prefix": path, "method": "PUT", **how})

    def answer(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return what the device answers to somebody else, who may write."""
        answer = self._http.request(method, path, json=body, auth=("super", "super"))
        assert answer.status_code == OK, answer.text
        return dict(answer.json())

    def read(self, path: str = "", slot: str = "clk1") -> Any:
        """Return what the configuration holds, staged changes included; of a single setting its value."""
        found = self.answer("GET", f"/api/config/chassis0/slots/{slot}/module/{path}")["data"]
        return found[path.rpartition("/")[2]] if path else found

    def put(self, path: str, body: object, slot: str = "clk2") -> None:
        """Stage a change as somebody else."""
        self.answer("PUT", f"/api/config/chassis0/slots/{slot}/module/{path}", body)

    def pending(self) -> int:
        """Return how many changes are staged."""
        return int(self.answer("GET", "/api/status/rest-api")["changes"]["pending-changes"])

    def unsaved(self) -> list[Any]:
        """Return what a restart would lose."""
        return list(self.answer("PUT", "/api/diff")["data"]["differences"])

    def publish(self, kind: str, body: dict[str, Any], app: str = CLK1) -> str:
        """Send a command as a foreign producer does; return its id."""
        self._sent += 1
        properties = {"type": kind, "message_id": f"{kind}/{self._sent}"}
        self.fleet.publish(app, [(json.dumps(body).encode(), properties)])
        return properties["message_id"]

    def wait_ended(self, *ids: str) -> None:
        """Wait until these are handled, however they end."""
        ends = {"succeeded", "failed"}
        self.fleet.wait_until(
            lambda: set(ids) <= {row["id"] for row in self.fleet.rows() if row["state"] in ends},
            f"{ids} are handled",
            PATIENCE_S,
        )

    def ended(self, *ids: str) -> list[Line]:
        """Wait until these are handled; return their lines of `interapp handlers --json`."""
        self.wait_ended(*ids)
        lines = {line["id"]: line for line in self.fleet.handlers()}
        return [lines[each] for each in ids]

    def do(self, kind: str, body: dict[str, Any], app: str = CLK1) -> str:
        """Send a command and wait until it is handled; return its id."""
        sent = self.publish(kind, body, app)
        self.wait_ended(sent)
        return sent

    def run(self, kind: str, body: dict[str, Any], app: str = CLK1) -> dict[str, Any]:
        """Send a command as an operator does; return its reply."""
        return dict(json.loads(self.fleet.run("send", app, kind, json.dumps(body), "--wait", "20")))

    def put_back(self) -> None:
        """Make everything as it was when the device was new."""
        self.control("clear-faults")
        self.answer("PUT", "/api/rollback")
        for slot, tree in self.factory.items():
            self.put("", tree, slot)
        for action in ("commit", "write"):
            self.answer("PUT", f"/api/{action}")


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress
) -> Iterator[Installation]:
    """One installation for all tests."""
    folder = tmp_path_factory.mktemp("configuration")
    with (
        rabbitmq.fresh_vhost() as amqp_url,
        postgresql.fresh_database() as database_url,
        Fleet(folder, amqp_url, database_url) as fleet,
    ):
        installation = Installation(fleet)
        yield installation
        installation.close()


@pytest.fixture
def field(installed: Installation) -> Installation:
    """The installation with its device as new."""
    installed.put_back()
    return installed


def ends(lines: list[Line]) -> list[tuple[str, str | None, int]]:
    """Return how each ended: state, reason, attempts."""
    return [(line["state"], line["reason"], line["attempts"]) for line in lines]


@every_setting
def test_a_setting_is_shown_written_and_saved(field: Installation, setting: Setting) -> None:
    """A dry run shows what would differ, the command sets and saves it, and sent once more it writes nothing."""
    before = field.read(setting.path)
    assert before != setting.value
    dry = field.do(setting.kind, {**setting.body, "dry_run": True})
    assert (field.read(setting.path), field.pending()) == (before, 0)

    reply = field.run(setting.kind, {**setting.body, "save": True})
    assert (reply["changed"], reply["saved"], reply["pending_changes"]) == (True, True, 0)
    assert field.read(setting.path) == setting.value
    assert (field.pending(), field.unsaved()) == (0, [])

    again = field.do(setting.kind, setting.body)
    shown, repeated = field.ended(dry, again)
    assert ends([shown, repeated]) == [("succeeded", None, 1)] * 2
    assert (shown["reply"]["changed"], shown["reply"]["difference"]) == (False, reply["difference"])
    assert reply["difference"][0]["field"] == setting.difference
    assert (repeated["reply"]["changed"], repeated["reply"]["difference"]) == (False, [])
    assert repeated["reply"]["now"] == reply["now"]


@every_setting
def test_a_setting_that_breaks_off(field: Installation, setting: Setting) -> None:
    """A failed commit is rolled back, a refusal changes nothing, a lost answer is no failure: each row says so."""
    before = field.read()
    field.fail("/api/commit", status=500)
    failed = field.do(setting.kind, setting.body)
    assert (field.read(), field.pending()) == (before, 0)

    field.fail("/api/config", status=422)
    refused = field.do(setting.kind, setting.body)
    field.control("set-level", username="admin", level="info")
    too_low = field.do(setting.kind, setting.body)
    field.control("set-level", username="admin", level="admin")
    assert (field.read(), field.pending()) == (before, 0)

    for path in ("/api/config", "/api/commit"):
        field.fail(path, kind="reset", after_effect=True)
    lost = field.do(setting.kind, setting.body)
    assert (field.read(setting.path), field.pending()) == (setting.value, 0)

    lines = field.ended(failed, refused, too_low, lost)
    assert ends(lines) == [
        ("failed", "error", 1),
        ("failed", "rejected", 1),
        ("failed", "rejected", 1),
        ("succeeded", None, 1),
    ]
    assert lines[0]["phase"] == "apply"
    for said in ("step 'commit' failed", "HTTP status 500", setting.difference, "rolled back: true", "0 changes pend"):
        assert said in lines[0]["error"]
    assert "a value is out of range" in lines[1]["error"]
    assert "level 'admin'" in lines[2]["error"]
    assert lines[3]["reply"]["changed"] is True


@pytest.mark.parametrize(
    ("kind", "body", "reason", "says"),
    [
        ("tcr.set-output", {"output": 2, "pulse_length_ms": 15}, "invalid", "10 to 10000 in steps of 10"),
        ("tcr.set-output", {"output": 2, "mode": "havequick"}, "rejected", "mode='havequick' is not allowed: this dev"),
        ("tcr.set-output", {"output": 2, "com": 1}, "rejected", "com=1 is not allowed: mode pulse-per-min has"),
        ("tcr.set-receiver", {"utc_offset_minutes": 751}, "invalid", "-750 to 750"),
        ("tcr.set-receiver", {"code": "nasa-36"}, "rejected", "code='nasa-36' is not allowed: this device supports"),
        ("tcr.set-mrs", {"sources": []}, "invalid", "sources"),
        ("tcr.set-mrs", {"sources": [{"source": "reserved", "precision_ns": 1}]}, "rejected", "sources.0.source="),
        ("tcr.set-time-code-output", {"code": "b999"}, "invalid", "code"),
        ("tcr.set-holdover", {"pulses": "never"}, "invalid", "'if-sync-only' or 'always'"),
        ("tcr.set-serial-port", {"port": 4}, "invalid", "0 to 3"),
        ("tcr.set-synthesizer", {"frequency_decihertz": 100_000_001}, "invalid", "0 to 100000000"),
        ("tcr.save-configuration", {"package": "all"}, "invalid", "package"),
        ("tcr.rollback-configuration", {"slot": "clk1"}, "invalid", "slot"),
        ("tcr.get-configuration", {"slot": "clk1"}, "invalid", "slot"),
    ],
)
def test_what_cannot_be_set(field: Installation, kind: str, body: dict[str, Any], reason: str, says: str) -> None:
    """What cannot be set ends at once with field and limits, and nothing is written; `send` does not send what no device takes."""
    if reason == "invalid":
        field.fleet.run("send", CLK1, kind, json.dumps(body), code=2)
    [line] = field.ended(field.publish(kind, body))
    assert (line["state"], line["reason"]) == ("failed", reason)
    assert says in line["error"]
    assert (field.read(), field.pending()) == (field.factory["clk1"], 0)


def test_a_service_that_only_reads(field: Installation) -> None:
    """Where writing is not switched on every command that writes is rejected, dry runs and reading are not; slots say it."""
    writing = [*((each.kind, each.body) for each in SETTINGS)]
    writing += [("tcr.save-configuration", {}), ("tcr.rollback-configuration", {})]
    rejected = [field.publish(kind, body, CLK2) for kind, body in writing]
    shown = [field.publish(each.kind, {**each.body, "dry_run": True}, CLK2) for each in SETTINGS]
    read = field.run("tcr.get-configuration", {}, CLK2)
    assert (read["writing"], read["pending_changes"]) == ("read-only", 0)
    assert read["configuration"]["receiver"]["code"] == "b122-b123"
    lines = field.ended(*rejected, *shown)
    assert ends(lines[: len(rejected)]) == [("failed", "rejected", 1)] * len(rejected)
    assert all("LANTIME_WRITE=true" in line["error"] for line in lines[: len(rejected)])
    assert [line["reply"]["difference"][0]["field"] for line in lines[len(rejected) :]] == [
        each.difference for each in SETTINGS
    ]
    assert field.read(slot="clk2") == field.factory["clk2"]
    slots = field.fleet.slots()
    assert (slots["clk1"]["writing"], slots["clk2"]["writing"]) == ("field", "read-only")
    assert "WRITING" in field.fleet.run("slots")


def test_changes_of_somebody_else(field: Installation) -> None:
    """While somebody has changes pending nothing is written; force joins them but not in the same object; a command drops them."""
    field.put("time-code-output", {"local-time": True})
    waited = [field.publish(each.kind, each.body) for each in SETTINGS]
    lines = field.ended(*waited)
    assert ends(lines) == [("failed", "rejected", 4)] * len(waited)
    assert all("pending-changes=1" in line["error"] for line in lines)
    assert field.read() == field.factory["clk1"]

    field.put("programmable-outputs/output2/settings", {"inverted": True}, "clk1")
    [conflict] = field.ended(field.publish(OUTPUT.kind, {**OUTPUT.body, "force": True}))
    assert (conflict["state"], conflict["reason"], conflict["attempts"]) == ("failed", "rejected", 4)
    assert "super has staged changes of it" in conflict["error"]
    dropped = field.run("tcr.rollback-configuration", {})
    assert (dropped["pending_before"], dropped["pending_changes"]) == (2, 0)
    assert field.read(slot="clk2") == field.factory["clk2"]

    field.put("time-code-output", {"local-time": True})
    joined = field.run(OUTPUT.kind, {**OUTPUT.body, "force": True})
    assert (joined["changed"], joined["pending_changes"]) == (True, 0)
    assert field.read("time-code-output/local-time", "clk2") is True
    assert len(field.unsaved()) == 2
    field.fail("/api/write", status=500)
    saved = field.do("tcr.save-configuration", {})
    assert ends(field.ended(saved)) == [("succeeded", None, 2)]
    assert field.unsaved() == []


def test_a_device_that_does_not_answer_in_time(field: Installation) -> None:
    """What cannot be read back in time is rolled back; an answer that is late to what was done is no failure."""
    # the first two readings are those of the comparison and of the change itself
    field.fail("/api/config", method="GET", skip=2, kind="slow", delay_seconds=30)
    unread = field.do(MRS.kind, MRS.body)
    assert (field.read(), field.pending()) == (field.factory["clk1"], 0)
    field.fail("/api/commit", kind="slow", delay_seconds=30)
    late = field.do(MRS.kind, MRS.body)
    assert field.read(MRS.path) == MRS.value
    lines = field.ended(unread, late)
    assert ends(lines) == [("failed", "error", 1), ("succeeded", None, 1)]
    for said in ("step 'read back' failed", "rolled back: true", "0 changes pending"):
        assert said in lines[0]["error"]


def test_a_rollback_that_fails_leaves_it_staged(field: Installation) -> None:
    """When commit and rollback fail, or only saving, the row says what is staged and what is in force."""
    field.fail("/api/commit", status=500)
    field.fail("/api/rollback", status=500)
    staged = field.do(OUTPUT.kind, OUTPUT.body)
    assert field.pending() == 1
    assert field.run("tcr.rollback-configuration", {})["pending_before"] == 1
    field.fail("/api/write", status=500)
    unsaved = field.do(OUTPUT.kind, {**OUTPUT.body, "save": True})
    assert field.read(OUTPUT.path) == OUTPUT.value
    lines = field.ended(staged, unsaved)
    assert ends(lines) == [("failed", "error", 1)] * 2
    assert "rolling back failed as well" in lines[0]["error"]
    assert "rolled back: false; on the device now: pulse_length_ms=500, 1 change pending" in lines[0]["error"]
    assert "it is in force, but not kept over a restart: send tcr.save-configuration" in lines[1]["error"]


def test_a_killed_child_leaves_nothing_half_done(field: Installation) -> None:
    """A child killed between writing and commit leaves a staged change, which its successor does not put in force unasked."""
    child = field.replace("clk1", LANTIME_TIMEOUT_SECONDS="60", **WRITING)
    # The write is done, and the child waits for the answer: until it is killed, it does not commit.
    field.fail("/api/config", kind="slow", delay_seconds=30)
    sent = field.publish(OUTPUT.kind, OUTPUT.body)
    eventually(lambda: field.pending() == 1, PATIENCE_S, "the change is staged")
    assert child.running
    field.replace("clk1", **WRITING)
    [rejected] = field.ended(sent)
    assert (rejected["state"], rejected["reason"]) == ("failed", "rejected")
    assert "pending-changes=1" in rejected["error"]
    assert field.pending() == 1, "not in force, and not dropped"
    dropped = field.run("tcr.rollback-configuration", {})
    assert (dropped["pending_before"], dropped["pending_changes"]) == (1, 0)
    assert field.read() == field.factory["clk1"]
    field.fleet.run("handlers", "retry", sent)
    field.fleet.wait_handlers(id=sent, state="succeeded", timeout=PATIENCE_S)
    assert (field.read(OUTPUT.path), field.pending()) == (OUTPUT.value, 0)
    field.replace("clk1", LANTIME_WRITE_PROFILE="field.toml", **WRITING)


def test_two_children_of_one_chassis(field: Installation) -> None:
    """Commands to two children at once, each a process of its own, both end as wanted: who meets the other waits."""
    field.replace("clk2", **WRITING)
    lengths = (500, 600, 700)
    bodies = [{"output": 2, "pulse_length_ms": length} for length in lengths]
    lines = field.ended(*(field.publish(OUTPUT.kind, body, app) for body in bodies for app in (CLK1, CLK2)))
    assert {line["state"] for line in lines} == {"succeeded"}
    assert field.pending() == 0
    assert {field.read(OUTPUT.path, slot) for slot in ("clk1", "clk2")} <= {length / 1000 for length in lengths}
    field.replace("clk2")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "missing.toml"), ('verb = "GET"\n', "verb"), ("verb", "TOML")],
    ids=["missing", "verb", "no TOML"],
)
def test_a_write_profile_that_cannot_be_ends_the_process(
    installed: Installation, content: str | None, says: str
) -> None:
    """A wrong profile ends the service at once with exit code 2 and one line that names setting, file and reason."""
    file = installed.fleet.folder / ("missing.toml" if content is None else "profile.toml")
    if content is not None:
        file.write_text(content, encoding="utf-8")
    child = installed.fleet.child("clk1", LANTIME_WRITE_PROFILE=str(file))
    assert child.wait() == 2
    assert "LANTIME_WRITE_PROFILE" in child.output()
    assert says in child.output()

"""The whole product as separate processes over a real RabbitMQ and a real PostgreSQL, seen through the command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.fleet import CHASSIS, Fleet, matching

CLK1 = f"{CHASSIS}.clk1"
CLK2 = f"{CHASSIS}.clk2"


@pytest.fixture
def fleet(tmp_path: Path, amqp_url: str, postgres_url: str) -> Iterator[Fleet]:
    """An installation without any process yet."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        yield fleet


def test_the_story_of_a_chassis(fleet: Fleet) -> None:
    """Discovery, statuses, a lost and found signal, commands of every outcome, a pulled module: the table tells it all."""
    simulator = fleet.simulator()
    parent = fleet.parent()
    children = [fleet.child("clk1"), fleet.child("clk2")]
    for service in (parent, *children):
        service.wait_ready()
    for app in (CLK1, CLK2):
        fleet.wait_handlers(kind="tcr.assign-slot", destination=app, state="succeeded")
        fleet.wait_handlers(kind="tcr.module-status", destination=app, state="succeeded")
        fleet.wait_handlers(kind="tcr.ready", destination=CHASSIS, source=app, state="succeeded")

    # a signal is lost and found
    simulator.control("lose-signal", slot="clk1")
    fleet.wait_handlers(kind="tcr.sync-changed", state="succeeded")
    simulator.control("restore-signal", slot="clk1")
    fleet.wait_handlers(kind="tcr.sync-changed", state="succeeded", count=2)

    # a command that is answered, one that is refused, one that fails and is tried again
    reply = json.loads(fleet.run("send", CLK1, "tcr.get-status", "--wait", "10"))
    assert (reply["slot"], reply["assigned"], reply["serial"]) == ("clk1", True, "068111020467")
    wrong = json.dumps({"chassis": "m1000-b", "slot": "clk9", "model": "tcr180"})
    fleet.run("send", CLK1, "tcr.assign-slot", wrong, "--wait", "10", code=1)
    simulator.control("fail-requests", count=1, status=503, path_prefix="/api/status/chassis0/slots")
    polled = json.loads(fleet.run("send", CLK2, "tcr.poll-now", "--wait", "15"))
    assert polled["slot"] == "clk2"

    # a module is pulled, and another plugged
    before = fleet.slots()
    assigned = len(fleet.rows(kind="tcr.assign-slot", destination=CLK2))
    simulator.control("pull", slot="clk2")
    fleet.wait_until(lambda: not fleet.slot_rows()["clk2"]["present"], "the pulled module is gone")
    fleet.wait_until(lambda: not fleet.rows(destination=CLK2, state="waiting"), "its child was told")
    assert json.loads(fleet.run("send", CLK2, "tcr.get-status", "--wait", "10"))["present"] is False
    between = fleet.slots()
    simulator.control("plug", slot="clk2", serial="068111029999")
    fleet.wait_handlers(kind="tcr.assign-slot", destination=CLK2, count=assigned + 1, state="succeeded")
    after = fleet.slots()

    for service in (parent, *children):
        assert service.terminate() == 0
    assert {line["status"] for line in fleet.listing("workers")} == {"stopped"}
    assert {slot: before[slot]["app"] for slot in ("clk1", "clk2", "pwr1")} == {
        "clk1": CLK1,
        "clk2": CLK2,
        "pwr1": None,
    }
    assert (before["clk1"]["model"], before["clk1"]["serial"]) == ("tcr180", "068111020467")
    assert before["pwr3"]["present"] is False
    assert [inventory["clk2"]["serial"] for inventory in (before, between, after)] == [
        "068111020512",
        None,
        "068111029999",
    ]

    table = fleet.handlers()
    assert {line["state"] for line in table} == {"succeeded", "failed"}
    changes = matching(table, {"kind": "tcr.sync-changed", "destination": CHASSIS, "source": CLK1})
    loss, recovery = (json.loads(fleet.run("handlers", "show", line["id"], "--json"))["body"] for line in changes)
    assert (loss["before"]["clock"], loss["after"]["clock"]) == ("synchronized", "holdover")
    assert (recovery["before"]["clock"], recovery["after"]["clock"]) == ("holdover", "synchronized")
    [asked] = matching(table, {"kind": "tcr.get-status", "destination": CLK1})
    assert (asked["state"], asked["attempts"], asked["reply"]) == ("succeeded", 1, reply)
    [refused] = matching(table, {"state": "failed"})
    assert (refused["kind"], refused["destination"], refused["reason"]) == ("tcr.assign-slot", CLK1, "rejected")
    assert "m1000-b.clk9" in refused["error"]
    [retried] = matching(table, {"kind": "tcr.poll-now"})
    assert (retried["state"], retried["attempts"], retried["reason"]) == ("succeeded", 2, None)


def test_a_foreign_producer_needs_a_type_and_a_body_only(fleet: Fleet) -> None:
    """What kombu publishes with nothing but `type` and JSON is handled, has a row, and is listed."""
    fleet.child("clk1").wait_ready()
    fleet.publish(CLK1, [(b"{}", {"type": "tcr.get-status"})])
    fleet.wait_handlers(destination=CLK1, kind="tcr.get-status", state="succeeded")
    [line] = fleet.handlers()
    assert line["id"]
    assert line["attempts"] == 1
    assert line["reply"]["slot"] == "clk1"
    assert line["received_at"] <= line["started_at"] <= line["finished_at"]


def test_what_is_sent_to_a_child_that_is_not_there_waits_for_it_in_order(fleet: Fleet) -> None:
    """Messages to a child that does not run are `waiting`, and handled in the order they were sent once it starts."""
    for _ in range(3):
        fleet.run("send", CLK1, "tcr.get-status")
    waiting = fleet.handlers()
    assert [(line["state"], line["attempts"]) for line in waiting] == [("waiting", 0)] * 3
    child = fleet.child("clk1")
    fleet.wait_handlers(destination=CLK1, state="succeeded", count=3)
    done = fleet.handlers(destination=CLK1)
    assert [line["id"] for line in sorted(done, key=lambda line: line["started_at"])] == [
        line["id"] for line in waiting
    ]
    assert child.terminate() == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_services_end_in_good_order(fleet: Fleet, stop: signal.Signals) -> None:
    """SIGTERM and SIGINT end every service with exit code 0; its worker is then listed as stopped."""
    simulator = fleet.simulator()
    services = [fleet.parent(), fleet.child("clk1"), fleet.child("clk2")]
    for service in services:
        service.wait_ready()
    for process in (*services, simulator):
        process.send_signal(stop)
    for process in (*services, simulator):
        assert process.wait(30) == 0, process.output()
    workers = fleet.listing("workers")
    assert sorted(line["app"] for line in workers) == [CHASSIS, CLK1, CLK2]
    assert {line["status"] for line in workers} == {"stopped"}


def test_the_successor_of_a_killed_child_finishes_everything(fleet: Fleet) -> None:
    """A kill -9 in the middle of a handler loses nothing: the next child handles that message again and all behind it."""
    simulator = fleet.simulator()
    child = fleet.child("clk1", LANTIME_TIMEOUT_SECONDS="60").wait_ready()
    # a device that hangs keeps the handler busy for as long as this test wants
    simulator.pause()
    fleet.publish(CLK1, [(b"{}", {"type": "tcr.poll-now", "message_id": "hangs"})])
    fleet.wait_handlers(destination=CLK1, kind="tcr.poll-now", state="processing")
    fleet.publish(CLK1, [(b"{}", {"type": "tcr.get-status", "message_id": f"behind-{n}"}) for n in range(50)])
    child.kill()
    simulator.resume()
    assert [line["state"] for line in fleet.handlers(kind="tcr.poll-now")] == ["processing"]

    fleet.child("clk1")
    fleet.wait_handlers(destination=CLK1, state="succeeded", count=51, timeout=40)
    table = sorted(fleet.handlers(destination=CLK1), key=lambda line: str(line["started_at"]))
    assert {line["state"] for line in table} == {"succeeded"}
    assert [line["id"] for line in table] == ["hangs", *(f"behind-{n}" for n in range(50))]


def test_a_standby_takes_over_from_a_killed_child(fleet: Fleet) -> None:
    """Of two children on one slot one works; when it is killed, the other goes on with what comes."""
    first = fleet.child("clk1").wait_ready()
    fleet.wait_until(lambda: fleet.worker_statuses(CLK1) == ["active"], "the first is active")
    standby = fleet.child("clk1").wait_ready()
    fleet.wait_until(lambda: fleet.worker_statuses(CLK1) == ["active", "standby"], "the second stands by")
    assert first.running
    fleet.run("send", CLK1, "tcr.get-status", "--wait", "10")
    first.kill()
    fleet.run("send", CLK1, "tcr.get-status", "--wait", "20")
    before, after = fleet.handlers(destination=CLK1, kind="tcr.get-status", state="succeeded")
    assert before["worker"] != after["worker"]
    assert f":{standby.pid}/" in after["worker"]
    assert standby.terminate() == 0

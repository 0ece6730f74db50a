"""A pool of children that serve whichever slot needs it, and modules that are pulled, plugged, moved and swapped meanwhile.

Parent, children and a simulated device over HTTPS, each a process; RabbitMQ and PostgreSQL are real ones.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from acceptance.fleet import CHASSIS, OK, Fleet, Service, matching

from broker.cli.lines import worker_status
from broker.lifecycle.clock import SystemClock
from broker.table.census import WorkerRow, list_workers
from broker.table.database import Database
from servers.processes import InterappProcess

CLK1, CLK2 = f"{CHASSIS}.clk1", f"{CHASSIS}.clk2"
POOL = f"{CHASSIS}.pool"
REPLACED_WITHIN_S = 15.0
"""How long a slot whose child is lost may be without one."""


class HttpsSimulator(InterappProcess):
    """`interapp simulator` over HTTPS with a certificate of its own making."""

    def __init__(self, *, cwd: Path, port: int) -> None:
        super().__init__("simulator", "--model", "M3000", "--port", str(port), cwd=cwd)
        self.port = port

    def certificate(self) -> str:
        """Wait until it listens; return the file of its certificate."""
        self.wait_for_line("LANTIME simulator M3000")
        found = re.search(r"certificate (\S+)", self.output())
        assert found is not None
        return found[1]

    def control(self, action: str, **arguments: str) -> None:
        """Do `POST /simulator/<action>` as its admin."""
        context = ssl.create_default_context(cafile=self.certificate())
        login = base64.b64encode(b"admin:admin").decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        with closing(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10.0, context=context)) as connection:
            connection.request("POST", f"/simulator/{action}", json.dumps(arguments), headers)
            assert connection.getresponse().status == OK


class Installation:
    """A chassis with two TCRs, its parent, and as many members of its pool as a test starts."""

    def __init__(self, fleet: Fleet, database: Database) -> None:
        self.fleet = fleet
        self.database = database
        self.simulator = fleet._start(HttpsSimulator(cwd=fleet.folder, port=fleet.simulator_port))
        fleet.env |= {
            "LANTIME_URL": f"https://127.0.0.1:{fleet.simulator_port}",
            "LANTIME_CA_FILE": self.simulator.certificate(),
            # Far more than any wait here: a lost process is replaced because it is proven dead, or never.
            "INTERAPP_LEASE_SECONDS": "60",
        }
        self.parent = fleet.parent().wait_ready()
        self.members: dict[int, Service] = {}

    def start_members(self, count: int) -> None:
        """Start members of the pool."""
        for _ in range(count):
            member = self.fleet.child("auto")
            self.members[member.pid] = member

    def workers(self, app: str) -> list[WorkerRow]:
        """Return the workers of an app, or the members of a pool, that have not ended."""
        return [row for row in list_workers(self.database, app=app) if row.ended_us is None]

    def standings(self) -> list[str]:
        """Return where the living members of the pool stand."""
        now_us = SystemClock().now_us()
        return sorted(worker_status(row, now_us) for row in self.workers(POOL))

    def serving(self, app: str) -> int:
        """Return the process that holds the lease of a slot's service and works; 0 when there is none."""
        return next((row.pid for row in self.workers(app) if row.leading and row.status == "active"), 0)

    def wait_standings(self, *expected: str) -> None:
        """Wait until the members stand like this, and both slots are served by two of them."""

        def stands() -> bool:
            served = {self.serving(CLK1), self.serving(CLK2)}
            return self.standings() == list(expected) and len(served - {0}) == 2

        self.fleet.wait_until(stands, f"the pool stands {expected}, and two serve", timeout=40)


@pytest.fixture
def installation(tmp_path: Path, amqp_url: str, postgres_url: str) -> Iterator[Installation]:
    """A simulated device and its parent; no child yet."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet, closing(Database(postgres_url)) as database:
        yield Installation(fleet, database)


def messages(prefix: str, count: int) -> list[tuple[bytes, dict[str, Any]]]:
    """Return commands that a foreign producer numbered."""
    return [(b"{}", {"type": "tcr.get-status", "message_id": f"{prefix}-{n:02}"}) for n in range(count)]


def test_a_lost_member_is_replaced(installation: Installation) -> None:
    """Of three, two serve a slot each and one stands by; whoever is killed is replaced, and every message handled in order.

    So it is when the parent is killed, too, and when a new member comes.
    """
    fleet = installation.fleet
    installation.start_members(3)
    installation.wait_standings("assigned", "assigned", "standby")
    healths = [member.wait_ready().health() for member in installation.members.values()]
    details = sorted(health.checks[f"assignment {CHASSIS}"]["detail"] for health in healths)
    assert [detail.partition(" ")[0] for detail in details] == ["assigned", "assigned", "standby"]
    assert all(POOL in detail for detail in details)

    # One that serves is killed while messages come.
    lost, kept = installation.serving(CLK1), installation.serving(CLK2)
    fleet.publish(CLK1, messages("before", 20))
    installation.members[lost].kill()
    fleet.publish(CLK1, messages("after", 20))
    fleet.wait_handlers(destination=CLK1, kind="tcr.get-status", state="succeeded", count=40, timeout=REPLACED_WITHIN_S)
    done = sorted(fleet.handlers(destination=CLK1, kind="tcr.get-status"), key=lambda line: str(line["started_at"]))
    assert [line["id"] for line in done] == [
        body[1]["message_id"] for body in messages("before", 20) + messages("after", 20)
    ]
    assert {line["state"] for line in done} == {"succeeded"}
    installation.wait_standings("assigned", "assigned")
    assert installation.serving(CLK2) == kept, "who serves well is not moved"

    # Each stands by for the other: with the parent away, too, nothing is without a service.
    installation.parent.kill()
    lost = installation.serving(CLK1)
    installation.members[lost].kill()
    fleet.publish(CLK1, messages("alone", 20))
    fleet.wait_handlers(destination=CLK1, kind="tcr.get-status", state="succeeded", count=60, timeout=REPLACED_WITHIN_S)
    # What a process says of itself may be a beat behind what it does.
    serves_both = f"the last one, {kept}, serves both"
    fleet.wait_until(lambda: installation.serving(CLK1) == installation.serving(CLK2) == kept, serves_both)

    # With a parent again, a new member is given one of the two slots that the last one serves.
    installation.parent = fleet.parent()
    installation.start_members(1)
    installation.wait_standings("assigned", "assigned")
    installation.start_members(1)
    installation.wait_standings("assigned", "assigned", "standby")
    listed = {line["status"] for line in fleet.listing("workers", "--app", POOL)}
    assert listed == {"assigned", "standby", "died"}
    for member in installation.members.values():
        if member.running:
            assert member.terminate() == 0
    assert installation.standings() == []


def test_modules_are_followed(installation: Installation) -> None:
    """What happens to modules is seen in the inventory, told as events, and known to whoever serves the slot."""
    fleet, simulator = installation.fleet, installation.simulator
    installation.start_members(2)
    installation.wait_standings("assigned", "assigned")
    first, second = "068111020467", "068111020512"

    def serial(slot: str) -> str | None:
        return fleet.slot_rows().get(slot, {}).get("serial")

    def asked(app: str) -> dict[str, Any]:
        fleet.wait_until(lambda: not fleet.rows(destination=app, state="waiting"), f"{app} was told")
        answer: dict[str, Any] = json.loads(fleet.run("send", app, "tcr.get-status", "--wait", "15"))
        return answer

    fleet.wait_until(lambda: (serial("clk1"), serial("clk2")) == (first, second), "both are found")
    seen = len(fleet.rows(kind="tcr.assign-slot"))

    # pulled and back
    simulator.control("pull", slot="clk1")
    fleet.wait_until(lambda: serial("clk1") is None, "it was pulled")
    assert (asked(CLK1)["present"], fleet.slots()["clk1"]["app"]) == (False, CLK1)
    simulator.control("plug", slot="clk1")
    fleet.wait_until(lambda: serial("clk1") == first, "it is back")
    assert (asked(CLK1)["present"], asked(CLK1)["serial"]) == (True, first)

    # another one in its place
    simulator.control("pull", slot="clk1")
    fleet.wait_until(lambda: serial("clk1") is None, "it was pulled")
    simulator.control("plug", slot="clk1", serial="068111029999")
    fleet.wait_until(lambda: serial("clk1") == "068111029999", "another is plugged")
    assert asked(CLK1)["serial"] == "068111029999"

    # the two change places
    simulator.control("move", slot="clk1", to="clk2")
    fleet.wait_until(lambda: (serial("clk1"), serial("clk2")) == (second, "068111029999"), "they changed places")
    assert (asked(CLK1)["serial"], asked(CLK2)["serial"]) == (second, "068111029999")

    # another kind of module: its service ends when it was told, and starts again for a TCR
    simulator.control("pull", slot="clk2")
    fleet.wait_until(lambda: serial("clk2") is None, "it was pulled")
    simulator.control("plug", slot="clk2", model="gps180", serial="029111000001")
    fleet.wait_until(lambda: not installation.workers(CLK2), "the service of clk2 ended")
    assert not fleet.rows(destination=CLK2, state="waiting")
    fleet.run("send", CLK2, "tcr.get-status")
    simulator.control("pull", slot="clk2")
    fleet.wait_until(lambda: serial("clk2") is None, "it was pulled")
    assert [line["kind"] for line in fleet.rows(destination=CLK2, state="waiting")] == ["tcr.get-status"]
    simulator.control("plug", slot="clk2", model="tcr180", serial="068111021111")
    fleet.wait_until(lambda: serial("clk2") == "068111021111", "a TCR is there again")
    assert asked(CLK2)["serial"] == "068111021111"

    # another chassis
    found = fleet.slots()["clk1"]["first_seen"]
    simulator.control("swap-chassis", serial="030111009777")
    fleet.wait_until(lambda: serial("clk1") not in (None, second), "another chassis answers")
    swapped = fleet.slots()
    assert swapped["clk1"]["first_seen"] > found
    assert (asked(CLK1)["serial"], asked(CLK2)["serial"]) == (swapped["clk1"]["serial"], swapped["clk2"]["serial"])

    table = fleet.handlers()
    assert len(matching(table, {"kind": "tcr.assign-slot", "state": "succeeded"})) > seen
    assert {line["state"] for line in table} == {"succeeded"}
    assert max(line["attempts"] for line in table) == 1

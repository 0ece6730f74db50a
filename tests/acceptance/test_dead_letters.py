"""Dead letters and retention, as an operator meets them: real processes, RabbitMQ, PostgreSQL, the installed command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.fleet import CHASSIS, Fleet

from servers.processes import run_interapp

CLK1 = f"{CHASSIS}.clk1"
MISSPELT = f"{CHASSIS}.clk01"


@pytest.fixture
def fleet(tmp_path: Path, amqp_url: str, postgres_url: str) -> Iterator[Fleet]:
    """An installation without any process yet."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        yield fleet


def test_a_message_to_a_wrong_address_is_found_and_handled_after_all(fleet: Fleet) -> None:
    """What was sent to an address that nobody has is listed, read, sent to the right app, and its story told."""
    fleet.simulator()
    for service in (fleet.parent(), fleet.child("clk1")):
        service.wait_ready()
    lost = [(b"{}", {"type": "tcr.get-status", "message_id": name}) for name in ("lost", "useless")]
    fleet.publish(MISSPELT, lost)
    fleet.wait_until(lambda: len(fleet.listing("dead-letters")) == 2, "both are dead letters")
    first, second = fleet.listing("dead-letters")
    assert (first["id"], first["destination"], first["queue"]) == ("lost", MISSPELT, "interapp.unroutable")
    story = fleet.run("dead-letters", "show", str(first["number"]))
    assert f"no queue for '{MISSPELT}'" in story

    fleet.run("dead-letters", "replay", str(first["number"]), "--to", CLK1)
    fleet.run("dead-letters", "discard", str(second["number"]))
    [handled] = fleet.wait_handlers(destination=CLK1, kind="tcr.get-status", state="succeeded")
    assert (handled["id"], handled["reply"]["slot"]) == ("lost", "clk1")
    assert "dead letter replayed" in fleet.run("handlers", "show", "lost", "--app", CLK1)
    assert fleet.listing("dead-letters") == []
    assert [line["state"] for line in fleet.listing("dead-letters", "--all")] == ["replayed", "discarded"]
    again = run_interapp("dead-letters", "discard", str(first["number"]), cwd=fleet.folder, env=fleet.env)
    assert again.returncode == 1
    assert "was replayed by" in again.stderr


def test_purge_makes_room_and_a_late_duplicate_is_not_handled(fleet: Fleet) -> None:
    """Purged handlers are gone from every listing; when one of their messages comes once more, nothing happens."""
    fleet.child("clk1").wait_ready()
    ask = {"type": "tcr.get-status"}
    fleet.publish(CLK1, [(b"{}", ask | {"message_id": "once"})])
    fleet.wait_handlers(destination=CLK1, state="succeeded")
    assert fleet.run("handlers", "purge", "--older-than", "1d") == "0 purged\n"
    assert fleet.run("handlers", "purge", "--older-than", "0s", "--dry-run") == "1 would be purged\n"
    assert fleet.run("handlers", "purge", "--older-than", "0s") == "1 purged\n"
    fleet.publish(CLK1, [(b"{}", ask | {"message_id": "once"}), (b"{}", ask | {"message_id": "twice"})])
    fleet.wait_handlers(destination=CLK1, state="succeeded")
    assert [line["id"] for line in fleet.handlers()] == ["twice"]
    assert json.loads(fleet.run("stats", "--json"))["states"]["succeeded"] == 1

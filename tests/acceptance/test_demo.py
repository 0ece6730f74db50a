"""The story of ``interapp demo``, asserted from the table through the installed command."""

import json
from pathlib import Path
from typing import Any

from servers.processes import run_interapp

SECONDS = 12


def listed(folder: Path, *args: str) -> list[dict[str, Any]]:
    """Return what a listing prints, as objects."""
    done = run_interapp(*args, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def play(folder: Path) -> str:
    """Run the demo in a folder and return what it printed."""
    done = run_interapp("demo", "--seconds", str(SECONDS), cwd=folder, timeout=90)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def the_story_is_in_the_table(folder: Path, since: str) -> None:
    """Check everything that the demo promises to show, in the rows sent from a time on."""
    rows = [row for row in listed(folder, "handlers", "--limit", "100000") if row["sent_at"] >= since]
    assert {row["state"] for row in rows} == {"succeeded", "failed"}
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)

    assert {row["destination"] for row in by_kind["tcr.assign-slot"]} == {"m3000-a.clk1", "m3000-a.clk2"}
    assert {row["source"] for row in by_kind["tcr.ready"]} == {"m3000-a.clk1", "m3000-a.clk2"}
    assert len(by_kind["tcr.module-status"]) >= 4
    (inventory,) = by_kind["chassis.get-inventory"]
    assert {slot["slot"] for slot in inventory["reply"]["slots"]} >= {"clk1", "clk2", "cpu"}
    (status,) = by_kind["tcr.get-status"]
    assert status["reply"]["status"]["clock"] == "synchronized"
    changes = [row for row in by_kind["tcr.sync-changed"] if row["source"] == "m3000-a.clk1"]
    assert len(changes) == 2, "holdover and recovery"
    rejected, retried = by_kind["tcr.poll-now"]
    assert (rejected["state"], rejected["reason"]) == ("failed", "rejected")
    assert rejected["error"] == "slot clk2 holds no module"
    assert (retried["state"], retried["attempts"]) == ("succeeded", 2)
    assert retried["reply"]["slot"] == "clk1"


def every_listing_answers(folder: Path) -> None:
    """Check that what happened is read from the file after the process is gone."""
    handlers = listed(folder, "handlers")
    assert listed(folder, "communications")
    slots = {slot["slot"]: slot for slot in listed(folder, "slots")}
    assert (slots["clk1"]["model"], slots["clk1"]["present"], slots["clk1"]["app"]) == ("tcr180", True, "m3000-a.clk1")
    assert (slots["esi1"]["model"], slots["esi1"]["present"], slots["esi1"]["app"]) == (None, False, None)
    workers = {worker["app"]: worker for worker in listed(folder, "workers")}
    assert workers.keys() == {"m3000-a", "m3000-a.pool", "m3000-a.clk1", "m3000-a.clk2"}
    (failed,) = (row for row in handlers if row["state"] == "failed")
    shown = run_interapp("handlers", "show", failed["id"][-8:], cwd=folder)
    assert shown.returncode == 0
    assert "slot clk2 holds no module" in shown.stdout


def test_the_demo_tells_its_story_twice(tmp_path: Path) -> None:
    """The demo ends by itself, all of its story stays readable in the table, and a second run is as good as the first."""
    printed = play(tmp_path)
    the_story_is_in_the_table(tmp_path, since="")
    every_listing_answers(tmp_path)
    rows = listed(tmp_path, "handlers", "--limit", "100000")
    assert f"{len(rows)} messages" in printed
    assert "interapp handlers show" in printed

    play(tmp_path)
    the_story_is_in_the_table(tmp_path, since=max(row["sent_at"] for row in rows) + "0")

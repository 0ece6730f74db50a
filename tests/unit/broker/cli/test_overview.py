"""`interapp communications`, `workers`, `stats`, `kinds` and `db upgrade`."""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
import sqlalchemy as sa
from pydantic import JsonValue
from pydantic.fields import FieldInfo

from broker.cli import catalogue
from broker.errors import InterAppError
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State
from broker.messages.message import Command, Event, Reply
from broker.runtime import plugins
from broker.table.database import Database
from broker.table.leases import Leases, WorkerStart


class Pong(Reply):
    kind: ClassVar[str] = "t.pong"


class Ping(Command[Pong]):
    """Ask for a pong."""

    kind: ClassVar[str] = "t.ping"
    number: int
    names: tuple[str, ...] = ("a",)


class Rang(Event):
    kind: ClassVar[str] = "t.rang"


def ping(command: Ping, ctx: Context[None]) -> Pong:
    """Answer."""
    return Pong()


def registry() -> HandlerRegistry[None]:
    """Return a registry with a command, its reply and an event."""
    made = HandlerRegistry[None]("t")
    made.handles(Ping)(ping)
    made.sends(Rang)
    return made


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What installed packages register, by name; a test may add to it."""
    found: dict[str, Any] = {"t": registry()}

    def load(group: str, name: str) -> Any:
        if isinstance(found[name], Exception):
            raise found[name]
        return found[name]

    monkeypatch.setattr(plugins, "names", lambda _group: sorted(found))
    monkeypatch.setattr(plugins, "load", load)
    return found


def lines(result: Any) -> list[dict[str, Any]]:
    """Return the JSON objects that a command printed."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_communications(cli: Any, rows: Any) -> None:
    """The Communications view words the state as other Meinberg drivers do, and tells the round trip."""
    done = rows.final(State.SUCCEEDED)
    failed = rows.final(State.FAILED, Reason.REJECTED, "no")
    rows.processing(to="t2")
    rows.waiting(to="t3")
    found = lines(cli("communications", "--json"))
    assert [line["status"] for line in found] == [
        "executed successfully",
        "failed",
        "being processed",
        "waiting to be processed",
    ]
    assert found[0]["round_trip_ms"] == 250
    assert found[3]["round_trip_ms"] is None
    text = cli("communications").stdout
    assert done.id[-8:] in text
    assert "failed (rejected)" in text
    assert "250 ms" in text
    assert [line["id"] for line in lines(cli("communications", "--json", "--state", "failed"))] == [failed.id]


def test_communications_of_an_app(cli: Any, rows: Any) -> None:
    """An app's communications are what it sent and what it was sent."""
    rows.waiting(to="t1")
    rows.waiting(to="t2")
    assert len(lines(cli("communications", "--json", "--app", "t1"))) == 1
    assert len(lines(cli("communications", "--json", "--app", "sender"))) == 2


def test_workers(cli: Any, database: Database) -> None:
    """A worker is shown as it reports itself, as unknown when it stopped reporting, and as ended when it ended."""
    leases = Leases(database, SystemClock())
    for number, app in enumerate(("a-live", "b-silent", "c-ahead", "d-stopped", "e-died")):
        leases.enter(WorkerStart(f"{app}@h:1/aa", "h:1/aa", app, "h", number, "0.1.0"))
    leases.take("a-live", "a-live@h:1/aa")
    leases.beat({"a-live@h:1/aa": ("active", "")}, [])
    leases.leave("d-stopped@h:1/aa")
    leases.found_dead("e-died@h:1/aa")
    with database.write() as connection:
        connection.execute(
            sa.text("UPDATE workers SET seen_us = seen_us - 6000000 WHERE app IN ('b-silent', 'd-stopped')")
        )
        connection.execute(sa.text("UPDATE workers SET seen_us = seen_us + 60000000 WHERE app = 'c-ahead'"))
    found = lines(cli("workers", "--json"))
    assert [line["status"] for line in found] == ["active", "unknown", "unknown", "stopped", "died"]
    assert [line["holds_lease"] for line in found] == [True, False, False, False, False]
    assert [line["app"] for line in lines(cli("workers", "--json", "--app", "a-live"))] == ["a-live"]
    assert "unknown" in cli("workers").stdout


def test_stats(cli: Any, rows: Any, database: Database) -> None:
    """The counts are those of the table: by state, by reason, what waits for later, and the last minute."""
    rows.final(State.SUCCEEDED)
    rows.final(State.FAILED, Reason.REJECTED, "no")
    rows.final(State.FAILED, Reason.ERROR, "bad")
    rows.processing(to="t2")
    rows.waiting(to="t3")
    later = rows.waiting(to="t4")
    with database.write() as connection:
        connection.execute(
            sa.text("UPDATE messages SET due_us = 4000000000000000 WHERE seq = :seq"), {"seq": later.seq}
        )
    (line,) = lines(cli("stats", "--json"))
    assert line["states"] == {"waiting": 2, "processing": 1, "succeeded": 1, "failed": 2}
    assert line["reasons"] == {"error": 1, "rejected": 1}
    assert line["scheduled"] == 1
    assert line["oldest_waiting_seconds"] > 0
    assert line["last_minute"] == {"sent": 0, "succeeded": 0, "failed": 0}
    text = cli("stats").stdout
    assert "1 for a later time" in text
    assert "error 1, rejected 1" in text


def test_stats_of_an_empty_table(cli: Any, database: Database) -> None:
    """An empty table has nothing in any state."""
    (line,) = lines(cli("stats", "--json"))
    assert set(line["states"].values()) == {0}
    assert line["oldest_waiting_seconds"] is None
    assert cli("stats").exit_code == 0


def test_kinds(cli: Any, registries: dict[str, Any]) -> None:
    """Every kind is listed with its sort, fields, reply and handler."""
    ping_line, pong, rang = lines(cli("kinds", "--json"))
    assert (ping_line["kind"], ping_line["sort"], ping_line["reply"]) == ("t.ping", "command", "t.pong")
    assert ping_line["handlers"][0].endswith("ping")
    assert ping_line["fields"] == [
        {"name": "number", "type": "int", "required": True, "default": None},
        {"name": "names", "type": "tuple[str, ...]", "required": False, "default": ["a"]},
    ]
    assert ping_line["summary"] == "Ask for a pong."
    assert (pong["sort"], rang["sort"]) == ("reply", "event")
    assert "number: int" in cli("kinds").stdout


def test_kinds_and_their_versions(cli: Any, registries: dict[str, Any]) -> None:
    """A kind shows its version and, when older ones are understood, the oldest."""

    class Old(Event):
        kind: ClassVar[str] = "t.old"
        version: ClassVar[int] = 4
        upcasters: ClassVar = {2: dict, 3: dict}

    registries["t"].sends(Old)
    found = {line["kind"]: (line["version"], line["oldest_version"]) for line in lines(cli("kinds", "--json"))}
    assert (found["t.old"], found["t.ping"]) == ((4, 2), (1, 1))
    assert "4 (from 2)" in cli("kinds").stdout


def test_kinds_of_a_broken_package(cli: Any, registries: dict[str, Any]) -> None:
    """A package whose registry cannot be loaded is named on stderr; the kinds of the others are listed."""
    registries["broken"] = InterAppError("broken cannot be loaded")
    registries["odd"] = object()
    result = cli("kinds", "--json")
    assert len(lines(result)) == 3
    assert "broken cannot be loaded" in result.stderr
    assert "odd" in result.stderr


def test_kind_taken_twice(cli: Any, registries: dict[str, Any]) -> None:
    """Two packages with one kind are an error that names both."""

    class OtherPong(Reply):
        kind: ClassVar[str] = "t.pong"

    other = HandlerRegistry[None]("other")
    other.sends(OtherPong)
    registries["other"] = other
    result = cli("kinds")
    assert result.exit_code == 1
    assert "OtherPong" in result.stderr
    with pytest.raises(InterAppError, match=r"t\.pong"):
        catalogue.catalogue_of([registry(), other])


def test_db_upgrade(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are made where there are none, in a folder that may not be there yet; again is harmless."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'new' / 'interapp.db'}")
    first, second = cli("db", "upgrade"), cli("db", "upgrade")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "is now at version" in first.stdout
    assert "is at version" in second.stdout
    assert cli("handlers").exit_code == 0


def test_db_upgrade_of_a_newer_database(cli: Any, database: Database) -> None:
    """A database that is newer than this program stays as it is."""
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    result = cli("db", "upgrade")
    assert result.exit_code == 1
    assert "update interapp" in result.stderr


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int, "int"),
        (int | None, "int | None"),
        (Annotated[int, "a limit"], "int"),
        (Annotated[int, "a limit"] | None, "int | None"),
        (Annotated[int, "a limit"] | Literal["unset"], "int | Literal['unset']"),
        (tuple[State, ...], "tuple[State, ...]"),
        (dict[str, JsonValue], "dict[str, JsonValue]"),
    ],
    ids=str,
)
def test_types_as_people_write_them(annotation: Any, shown: str) -> None:
    """A field's type is shown without the limits that are tied to it, whichever way they are."""
    field = FieldInfo.from_annotation(annotation)
    assert catalogue._field("count", field).type == shown

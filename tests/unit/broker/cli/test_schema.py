"""`interapp schema`: JSON Schema, AsyncAPI, the lock and its check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.messages.message import Command, Event, Reply
from broker.messages.versions import Body
from broker.runtime import plugins


class Pong(Reply):
    kind: ClassVar[str] = "t.pong"


class Ping(Command[Pong]):
    """Ask for a pong."""

    kind: ClassVar[str] = "t.ping"
    number: int = Field(ge=1)
    pair: tuple[int, str] = (1, "a")


class Rang(Event):
    kind: ClassVar[str] = "t.rang"


def rename(body: Body) -> Body:
    """Lift version 1."""
    return {"count": body["number"]}


class PingV2(Command[Pong]):
    """Ask for a pong."""

    kind: ClassVar[str] = "t.ping"
    version: ClassVar[int] = 2
    upcasters: ClassVar = {1: rename}
    count: int


class NarrowPing(Command[Pong]):
    kind: ClassVar[str] = "t.ping"
    number: int = Field(ge=2)


def pong(command: Command[Pong], ctx: Context[None]) -> Pong:
    """Answer."""
    return Pong()


def registry(ping: type[Command[Pong]] = Ping) -> HandlerRegistry[None]:
    """Return a registry with a command that is handled, its reply and an event that is only published."""
    made = HandlerRegistry[None]("t")
    made.handles(ping)(pong)
    made.sends(Rang)
    return made


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What installed packages register, by name; a test may change it."""
    found: dict[str, Any] = {"t": registry()}

    def load(group: str, name: str) -> Any:
        if isinstance(found[name], Exception):
            raise found[name]
        return found[name]

    monkeypatch.setattr(plugins, "names", lambda _group: sorted(found))
    monkeypatch.setattr(plugins, "load", load)
    return found


def document(result: Any) -> dict[str, Any]:
    """Return the JSON document that a command printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_one_kind_is_its_schema(cli: Any, registries: dict[str, Any]) -> None:
    """One kind's schema is printed as it is: of JSON Schema 2020-12, named after kind and version."""
    schema = document(cli("schema", "json", "t.ping"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["$id"], schema["title"]) == ("urn:interapp:t.ping:1", "t.ping")
    assert schema["description"] == "Ask for a pong."
    assert schema["properties"]["number"]["minimum"] == 1
    assert [item["type"] for item in schema["properties"]["pair"]["prefixItems"]] == ["integer", "string"]
    assert (schema["required"], schema["additionalProperties"]) == (["number"], False)


def test_several_kinds_are_one_document(cli: Any, registries: dict[str, Any]) -> None:
    """All kinds, or several, are one schema that has each under its kind."""
    assert list(document(cli("schema", "json"))["$defs"]) == ["t.ping", "t.pong", "t.rang"]
    assert list(document(cli("schema", "json", "t.rang", "t.pong"))["$defs"]) == ["t.rang", "t.pong"]


def test_a_file_a_kind(cli: Any, registries: dict[str, Any], tmp_path: Path) -> None:
    """With --output each kind is a file of its own, in a folder that need not be there yet; again is harmless."""
    for _ in range(2):
        assert cli("schema", "json", "--output", str(tmp_path / "new" / "schemas")).exit_code == 0
    files = sorted((tmp_path / "new" / "schemas").iterdir())
    assert [file.name for file in files] == ["t.ping.json", "t.pong.json", "t.rang.json"]
    assert json.loads(files[0].read_text(encoding="utf-8")) == document(cli("schema", "json", "t.ping"))


def test_an_unknown_kind_is_refused(cli: Any, registries: dict[str, Any]) -> None:
    """A kind that nobody knows is wrong usage, and nothing is printed."""
    result = cli("schema", "json", "t.ping", "t.nobody")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'t.nobody'" in result.stderr


def test_a_broken_package_spoils_no_schema_but_every_lock(cli: Any, registries: dict[str, Any]) -> None:
    """Kinds that cannot be loaded are named; a lock or check without them would take them for removed, so it is refused."""
    registries["broken"] = plugins.InterAppError("broken cannot be loaded")
    result = cli("schema", "json")
    assert len(document(result)["$defs"]) == 3
    assert "broken cannot be loaded" in result.stderr
    for command in ("lock", "check"):
        result = cli("schema", command)
        assert result.exit_code == 1
        assert "broken cannot be loaded" in result.stderr
    assert not Path("interapp-schemas.json").exists()


def test_a_lock_holds_until_something_breaks(cli: Any, registries: dict[str, Any]) -> None:
    """What is locked passes the check; a breaking change is named on stdout and ends with 1; an upcaster makes it good."""
    assert cli("schema", "lock").exit_code == 0
    assert "3 kinds, no breaking change" in cli("schema", "check").stdout
    registries["t"] = registry(NarrowPing)
    result = cli("schema", "check")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["t.ping: number: minimum was 1, is 2", "t.ping: pair: field removed"]
    assert "2 breaking changes since interapp-schemas.json" in result.stderr
    registries["t"] = registry(PingV2)
    assert cli("schema", "check").exit_code == 0
    registries["t"] = HandlerRegistry[None]("t")
    registries["t"].sends(PingV2, Pong)
    result = cli("schema", "check")
    assert (result.exit_code, result.stdout) == (1, "t.rang: kind removed\n")


def test_a_new_kind_is_told(cli: Any, registries: dict[str, Any], tmp_path: Path) -> None:
    """A kind that is not in the lock breaks nothing, and the check says that it is not guarded yet."""
    file = str(tmp_path / "own.json")
    assert cli("schema", "lock", file).exit_code == 0

    class New(Event):
        kind: ClassVar[str] = "t.new"

    registries["t"].sends(New)
    result = cli("schema", "check", file)
    assert result.exit_code == 0
    assert "not locked yet: t.new" in result.stdout


def test_a_missing_or_broken_lock_says_what_to_do(cli: Any, registries: dict[str, Any], tmp_path: Path) -> None:
    """Without a lock, or with a file that is none, the check fails and says which command makes one."""
    result = cli("schema", "check")
    assert result.exit_code == 1
    assert "there is no interapp-schemas.json: write it with interapp schema lock" in result.stderr
    Path("interapp-schemas.json").write_bytes(b"\xff{")
    result = cli("schema", "check")
    assert result.exit_code == 1
    assert "no lock of schemas" in result.stderr
    assert cli("schema", "lock", str(tmp_path / "no" / "folder.json")).exit_code == 1
    assert cli("schema", "check", str(tmp_path)).exit_code == 2


def test_asyncapi(cli: Any, registries: dict[str, Any]) -> None:
    """The document says what may be sent where: operations with replies, AMQP bindings, and schemas of draft 07."""
    registries["t"] = registry(PingV2)
    made = document(cli("schema", "asyncapi"))
    assert made["asyncapi"] == "3.0.0"
    assert made["channels"]["app"]["bindings"]["amqp"]["exchange"]["name"] == "interapp"
    assert made["channels"]["event.t.rang"]["address"] == "{app}.t.rang"
    assert made["channels"]["event.t.rang"]["bindings"]["amqp"]["exchange"]["type"] == "topic"
    operation = made["operations"]["receive.t.ping"]
    assert operation["reply"]["messages"] == [{"$ref": "#/channels/reply/messages/t.pong"}]
    assert list(made["operations"]) == ["receive.t.ping", "publish.t.rang"]
    message = made["components"]["messages"]["t.ping"]
    version = message["headers"]["properties"]["x-version"]
    assert (version["minimum"], version["maximum"]) == (1, 2)
    assert "required" not in message["headers"]
    registries["t"] = registry()
    pair = document(cli("schema", "asyncapi"))["components"]["schemas"]["Ping"]["properties"]["pair"]
    assert [item["type"] for item in pair["items"]] == ["integer", "string"]
    assert "prefixItems" not in pair


def test_two_classes_of_one_name(cli: Any, registries: dict[str, Any]) -> None:
    """Two packages may call their classes the same: their schemas are told apart."""

    class Rang(Event):
        kind: ClassVar[str] = "u.rang"
        number: int

    registries["u"] = HandlerRegistry[None]("u")
    registries["u"].sends(Rang)
    made = document(cli("schema", "asyncapi"))
    refs = [made["components"]["messages"][kind]["payload"]["$ref"] for kind in ("t.rang", "u.rang")]
    names = [ref.removeprefix("#/components/schemas/") for ref in refs]
    assert [made["components"]["schemas"][name]["properties"].keys() for name in names] == [set(), {"number"}]

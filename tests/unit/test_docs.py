"""The documentation says what the code does."""

import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field, JsonValue

from broker.cli.root import BUILT_IN
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.state import LEGAL_MOVES, Reason, State
from broker.messages.catalogue import Catalogue
from broker.messages.codec import decode_envelope
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Message, Reply
from broker.messages.schema_lock import Lock, breaking_changes, lock_of
from broker.settings import EnvironmentSettings, InterAppSettings
from lantime.alarms.rules import AlarmSettings
from lantime.alarms.specs import SPECS
from lantime.settings import LantimeSettings
from lantime.status import SUPPORTED_API, Certainty, other_receivers, receiver
from tcr_child.settings import TcrSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class PulseSet(Reply):
    """Answers the command of docs/messages.md."""

    kind: ClassVar[str] = "acme.pulse-set"


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table in a page, without back quotes."""
    lines = (line for line in text.splitlines() if line.startswith("| ") and not set(line) <= set("|- "))
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_the_states_page_shows_the_legal_moves() -> None:
    """What docs/states.md says of each state is what the code allows."""
    table = {row[0]: row[1] for row in rows((DOCS / "states.md").read_text(encoding="utf-8")) if len(row) == 2}
    del table["state"]
    assert table == {
        state.value: ", ".join(sorted(LEGAL_MOVES[state])) or "–"  # noqa: RUF001 the page's dash
        for state in State
    }


def test_the_states_page_explains_every_reason() -> None:
    """Each reason of a failure is explained in docs/states.md, and no other."""
    explained = [row[0] for row in rows((DOCS / "states.md").read_text(encoding="utf-8")) if len(row) == 3]
    assert explained[1:] == [reason.value for reason in Reason]


@pytest.mark.parametrize("settings", [InterAppSettings, LantimeSettings, TcrSettings, AlarmSettings])
def test_every_setting_is_documented(settings: type[EnvironmentSettings]) -> None:
    """An operator finds every environment variable in docs/deploy.md or docs/operations.md."""
    text = "".join((DOCS / page).read_text(encoding="utf-8") for page in ("deploy.md", "operations.md"))
    prefix = settings.model_config.get("env_prefix") or ""
    named = {f"{prefix}{field}".upper() for field in settings.model_fields}
    assert {name for name in named if name not in text} == set()


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/chassis.md",
        "docs/alarms.md",
        "docs/deploy.md",
        "docs/devices.md",
        "docs/operations.md",
        "docs/handlers.md",
        "docs/calls.md",
        "docs/messages.md",
        "docs/sending.md",
        "docs/extend.md",
        "docs/simulator.md",
        "docs/configuration.md",
    ],
)
def test_every_command_that_a_page_names_exists(page: str) -> None:
    """What a page tells a reader to type is a command of interapp."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(
        re.findall(
            r"interapp ([a-z][a-z-]+)(?=[\s`\]])",
            "\n".join(re.findall(r"`[^`\n]+`|^[^|\n]*interapp .*$", text, re.MULTILINE)),
        )
    )
    plugged = {
        *("alarms", "chassis", "child", "demo", "device-report", "http-sessions", "parent", "simulator", "slots"),
    }
    prose = {"a", "and", "as", "for", "in", "is", "itself", "on", "reads", "the", "knows", "was"}
    assert named - prose <= BUILT_IN.keys() | plugged


def test_the_devices_page_tells_the_certainties_and_the_versions() -> None:
    """docs/devices.md explains every word that a field's certainty may be, and names the API versions that are known."""
    text = (DOCS / "devices.md").read_text(encoding="utf-8")
    explained = {row[0] for row in rows(text) if len(row) == 2}
    assert {certainty.value for certainty in Certainty} <= explained
    assert SUPPORTED_API in text
    families = {name for names in (receiver.NAMES, other_receivers.OTHER_NAMES) for name in names}
    assert {name for name in families if f"`{name}`" not in text} == set()


def test_the_messages_page_can_be_followed() -> None:
    """The code of docs/messages.md runs, its upcaster does what the page says, and the check names what the page shows."""
    text = (DOCS / "messages.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {
        "ClassVar": ClassVar,
        "Command": Command,
        "Field": Field,
        "HandlerRegistry": HandlerRegistry,
        "JsonValue": JsonValue,
        "Message": Message,
        "Module": object,
        "PulseSet": PulseSet,
    }
    classes = []
    for block in blocks:
        exec(compile(block, "docs/messages.md", "exec"), names)  # noqa: S102 it is the page's own code
        classes.append(names["SetPulse"])
    first, second = classes[0], classes[1]
    envelope = Envelope(
        message_id="m", kind="acme.set-pulse", body=b'{"output": 1, "length_s": 0.25}', destination="a", version=1
    )
    assert decode_envelope(second, envelope) == second(output=1, length_ms=250)
    assert names["handlers"].codecs.known() == "application/json, application/cbor"
    locked, now = lock_of(Catalogue([first])), lock_of(Catalogue([second]))
    assert breaking_changes(locked, now) == []
    as_if = now.kinds["acme.set-pulse"].model_copy(update={"version": 1, "oldest_version": 1})
    for line in breaking_changes(locked, Lock(kinds={"acme.set-pulse": as_if})):
        assert line in text


@pytest.mark.parametrize(
    "page",
    sorted(
        path.relative_to(ROOT).as_posix()
        for path in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    ),
)
def test_every_link_leads_somewhere(page: str) -> None:
    """A link to another file of the repository has a file at its end."""
    folder = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:|#|\")([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_alarms_page_shows_every_alarm() -> None:
    """What docs/alarms.md says of each alarm is what the code goes by, and no other alarm is there."""
    table = [row for row in rows((DOCS / "alarms.md").read_text(encoding="utf-8")) if len(row) == 6]
    assert table[1:] == [
        [
            text.replace("`", "")
            for text in (
                alarm,
                spec.severity,
                spec.side,
                spec.raised_when,
                spec.cleared_when,
                spec.rests_on,
            )
        ]
        for alarm, spec in SPECS.items()
    ]


@pytest.mark.parametrize("rule", AlarmSettings.model_fields)
def test_the_alarms_page_shows_the_defaults(rule: str) -> None:
    """The settings of alarms are in docs/alarms.md with their defaults."""
    table = {row[0]: row[1] for row in rows((DOCS / "alarms.md").read_text(encoding="utf-8")) if len(row) == 3}
    assert table[f"ALARM_{rule}".upper()] == f"{AlarmSettings.model_fields[rule].default:g}"

"""The root of the command line: what is loaded when, and what the user sees of errors."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import click
import pytest
from click.testing import CliRunner

from broker.cli.root import BUILT_IN, interapp
from broker.errors import InterAppError, SettingError, TableUnavailable
from broker.runtime import plugins


def command_that(act: Callable[[], Any]) -> click.Command:
    """Return a command that does this."""
    return click.Command("act", callback=act)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make these commands the only ones that packages add: name to `module:attribute`."""

    def pretend(**commands: str) -> None:
        points = [EntryPoint(name, value, plugins.COMMANDS) for name, value in commands.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda **wanted: EntryPoints(points).select(**wanted))

    return pretend


def run_act(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> Any:
    """Run a command that does this below the root."""
    monkeypatch.setattr("broker.cli.workers.workers", command_that(act))
    return CliRunner().invoke(interapp, ["workers"])


def test_every_built_in_command_exists() -> None:
    """Every name of the help is a command with a help of its own."""
    for name in BUILT_IN:
        result = CliRunner().invoke(interapp, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.output


def test_help_loads_nothing_heavy(install: Callable[..., None]) -> None:
    """The help of the root loads no command: it must come at once."""
    heavy = ("pydantic", "sqlalchemy", "alembic", "pika", "rich", "structlog", "uvicorn")
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom broker.cli.root import interapp\n"
        "assert CliRunner().invoke(interapp, ['--help']).exit_code == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def at_exit(told: str, *arguments: str) -> list[str]:
    """Run a command in a process of its own; return what these expressions are when it has ended."""
    script = (
        "import atexit, gc, sys\n"
        f"atexit.register(lambda: print({told}, sep='\\n', file=sys.stderr))\n"
        f"sys.argv = {['interapp', *arguments]!r}\n"
        "from broker.cli.main import main\nmain()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return result.stderr.splitlines()


def imported(*arguments: str) -> set[str]:
    """Return the modules that a process has imported when the command has ended."""
    return set(at_exit("*sys.modules", *arguments))


def test_version_imports_nothing() -> None:
    """The version is told without even the command line's library."""
    heavy = {"broker.cli.root", "click", "importlib.metadata", "pydantic", "sqlalchemy"}
    assert imported("--version") & heavy == set()


def test_json_listing_imports_what_lists(rows: Any) -> None:
    """A listing as JSON imports what reads the table, and nothing that draws, sends, migrates, serves or handles."""
    rows.waiting()
    others = {"alembic", "cryptography", "httpx", "pika", "rich", "starlette", "structlog", "uvicorn"}
    ours = {
        "broker.cli.acts",
        "broker.handlers",
        "broker.runtime",
        "broker.table.storage",
        "broker.transport",
        "lantime",
    }
    database = {"psycopg", "sqlalchemy.dialects.postgresql"}
    found = imported("handlers", "--json")
    assert "broker.table.queries" in found
    assert found & (others | ours | database) == set()


def test_listing_looks_for_garbage_seldom(rows: Any) -> None:
    """A listing never walks through all that it imported, to find that nothing of it can go."""
    rows.waiting()
    assert at_exit("gc.get_stats()[-1]['collections']", "handlers", "--json") == ["0"]


def test_foreign_command(install: Callable[..., None]) -> None:
    """A command of another package is run by its name."""
    install(extra="click.testing:nothing", simulator="lantime.simulator.command:simulator")
    result = CliRunner().invoke(interapp, ["simulator", "--help"])
    assert result.exit_code == 0
    assert "REST API" in result.output


def test_broken_command(install: Callable[..., None]) -> None:
    """A command that cannot be loaded is named with its reason, and only when it is called; the help goes on."""
    install(broken="no_such_package.command:act", odd="os:sep")
    for name, reason in (("broken", "no_such_package"), ("odd", "no click command")):
        result = CliRunner().invoke(interapp, [name])
        assert result.exit_code == 1
        assert name in result.stderr
        assert reason in result.stderr
        assert len(result.stderr.splitlines()) == 1
    result = CliRunner().invoke(interapp, ["--help"])
    assert result.exit_code == 0
    assert "broken" in result.output
    assert "handlers" in result.output


def test_command_of_two_packages(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that two packages took is refused, naming both."""
    points = [EntryPoint("twice", f"{module}:act", plugins.COMMANDS) for module in ("one", "two")]
    monkeypatch.setattr(plugins, "entry_points", lambda **wanted: EntryPoints(points).select(**wanted))
    result = CliRunner().invoke(interapp, ["twice"])
    assert result.exit_code == 1
    assert "one:act" in result.stderr
    assert "two:act" in result.stderr


def test_unknown_command(install: Callable[..., None]) -> None:
    """A command that does not exist is wrong usage."""
    install()
    result = CliRunner().invoke(interapp, ["handler"])
    assert result.exit_code == 2
    assert "handler" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingError("INTERAPP_X", "y", "z"), 2),
        (TableUnavailable("the table\nis away"), 1),
        (InterAppError("anything of ours"), 1),
        (PermissionError(13, "Permission denied", "/some/file"), 1),
    ],
)
def test_errors_are_one_line(error: Exception, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreseeable trouble is one line on stderr, with the exit code of its sort and no traceback."""

    def fail() -> None:
        raise error

    result = run_act(monkeypatch, fail)
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_errors_keep_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in a URL is not repeated in an error."""

    def fail() -> None:
        raise SettingError("INTERAPP_BROKER_URL", "amqp://user:geheim@host:99999", "a port")

    assert "geheim" not in run_act(monkeypatch, fail).stderr


def test_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command without a word, with the exit code that shells expect."""

    def fail() -> None:
        raise KeyboardInterrupt

    result = run_act(monkeypatch, fail)
    assert result.exit_code == 130
    assert result.stderr == ""


def test_returned_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command returns is the exit code of the process."""
    assert run_act(monkeypatch, lambda: 1).exit_code == 1
    assert run_act(monkeypatch, lambda: None).exit_code == 0

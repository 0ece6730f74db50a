"""The root of the command line. A command is imported when it is called, so that each starts as fast as it can.

A command returns its exit code, or None for 0. What it raises becomes one line on stderr: SettingError is exit code 2,
every other InterAppError is 1.
"""

import errno
import os
import sys
from typing import Any

import click

from broker.cli.exit_codes import INTERRUPTED
from broker.cli.refusal import Refusal
from broker.cli.subcommand import imported
from broker.cli.version import installed_version
from broker.errors import InterAppError, SettingError
from broker.observe.printable import without_passwords

BUILT_IN: dict[str, tuple[str, str]] = {
    "calls": ("broker.cli.calls:calls", "List bulk calls with their counts per state; show one."),
    "communications": (
        "broker.cli.communications:communications",
        "List messages as they travelled, with round trips.",
    ),
    "db": ("broker.cli.db:db", "Bring the database to this version."),
    "dead-letters": ("broker.cli.dead_letters:dead_letters", "List what reached no app; show, replay, discard."),
    "handlers": ("broker.cli.handlers:handlers", "List handlers and their states; show, retry, cancel, purge."),
    "kinds": ("broker.cli.kinds:kinds", "List the kinds of message that are known."),
    "new": ("broker.cli.new:new", "Write the beginning of a package with a handler of your own."),
    "schema": ("broker.cli.schema:schema", "Write schemas of the kinds; lock them, check for breaking changes."),
    "send": ("broker.cli.send:send", "Send a message; with --wait, print its reply."),
    "stats": ("broker.cli.stats:stats", "Count handlers by state; rates and ages."),
    "up": ("broker.cli.process:up", "Run every installed service in one process."),
    "workers": ("broker.cli.workers:workers", "List the workers: who serves which app, and since when."),
}
"""Name to (module:attribute, one line for --help)."""


def told(error: InterAppError) -> click.ClickException:
    """Return the error as the one line and the exit code that the user gets."""
    line = without_passwords(" ".join(str(error).split()))
    return Refusal(line) if isinstance(error, SettingError) else click.ClickException(line)


class LazyGroup(click.Group):
    """The built-in commands and those of other packages, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """Return every name, sorted."""
        from broker.runtime import plugins  # noqa: PLC0415 only help and foreign commands need it, and it is slow

        return sorted({*BUILT_IN, *plugins.names(plugins.COMMANDS)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """Import a command; None when there is none of that name. A built-in command cannot be replaced."""
        if cmd_name in BUILT_IN:
            return _checked(cmd_name, imported(BUILT_IN[cmd_name][0]))
        from broker.runtime import plugins  # noqa: PLC0415 as above

        if cmd_name not in plugins.names(plugins.COMMANDS):
            return None
        try:
            return _checked(cmd_name, plugins.load(plugins.COMMANDS, cmd_name))
        except InterAppError as exc:
            raise told(exc) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; what cannot be imported is listed as such."""
        lines = [(name, self._summary(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(lines)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raises or returns into an exit code."""
        try:
            code = super().invoke(ctx)
            # Here, where a reader that went away is dealt with, and not while the interpreter ends.
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except InterAppError as exc:
            raise told(exc) from exc
        except OSError as exc:
            if exc.errno == errno.EPIPE:
                raise
            named = f"{exc.filename}: " if exc.filename else ""
            raise click.ClickException(f"{named}{exc.strerror or exc}") from exc
        ctx.exit(code if isinstance(code, int) else 0)

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in BUILT_IN:
            return BUILT_IN[name][1]
        try:
            command = self.get_command(ctx, name)
        except click.ClickException as exc:
            return f"(broken) {exc.message}"
        return command.get_short_help_str(limit=80) if command else ""


def _checked(name: str, command: object) -> click.Command:
    if not isinstance(command, click.Command):
        raise click.ClickException(f"{name!r} is no click command but a {type(command).__name__}; repair its package")
    return command


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 click's signature
    if wanted and not ctx.resilient_parsing:
        click.echo(f"interapp {installed_version()}")
        ctx.exit()


def _use_config(_ctx: click.Context, _parameter: click.Parameter, file: str | None) -> None:
    if file is not None:
        from broker.settings import CONFIG_VARIABLE  # noqa: PLC0415 slow, and only this option needs it

        os.environ[CONFIG_VARIABLE] = file


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    metavar="FILE.toml",
    type=click.Path(exists=True, dir_okay=False),
    callback=_use_config,
    expose_value=False,
    help="Read settings from this file; the environment and .env win over it.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    callback=_print_version,
    expose_value=False,
    help="Print the version and end.",
)
def interapp() -> None:
    """Messages between LANTIME clocks and their modules, and what became of each."""

"""Options that several commands share, and what they stand for."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from broker.cli.words import moment
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

DEFAULT_LIMIT = 50


class Moment(click.ParamType):  # type: ignore[type-arg] # generic only since click 8.4
    """A time: microseconds since 1970."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the time that the text names."""
        if isinstance(value, int):
            return value
        try:
            return moment(str(value), SystemClock().now_us())
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line on stdout, nothing else.")

limit = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="The newest N; there is no upper bound.",
)

states = click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only these states (may be repeated).",
)

reasons = click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([reason.value for reason in Reason]),
    help="Only what failed for these reasons (may be repeated).",
)

since = click.option(
    "--since",
    "since_us",
    type=Moment(),
    help="Only what was sent, started or finished since then: 30s, 10m, 2h, 1d, or an ISO time.",
)

kinds = click.option(
    "--kind",
    "kinds",
    metavar="K",
    multiple=True,
    help="Only these kinds; tcr.* for all that begin so (may be repeated).",
)

app = click.option(
    "--app",
    "apps",
    metavar="A",
    multiple=True,
    help="Only what these apps handle; m1000-a.* for all below it (may be repeated).",
)

party = click.option(
    "--app",
    "apps",
    metavar="A",
    multiple=True,
    help="Only what these apps send or handle; m1000-a.* for all below it (may be repeated).",
)

destination = click.option("--app", metavar="A", help="The app that handles it, where one id went to several.")


def combined(*options: Callable[[CommandT], CommandT]) -> Callable[[CommandT], CommandT]:
    """Return one decorator that adds these options, in the order of the help text."""

    def add(command: CommandT) -> CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return add

"""What groups of commands share: import on call, and what those do that list something by themselves."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource


def imported(place: str) -> Any:
    """Import what stands at ``module:attribute``."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


class ListingGroup(click.Group):
    """A listing with commands beside it, each imported when it is called: what acts needs more than what lists."""

    def __init__(self, *args: Any, acts: Mapping[str, str], **kwargs: Any) -> None:
        """Take the commands as name to ``module:attribute``."""
        super().__init__(*args, **kwargs)
        self._acts = acts

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """Return every name, sorted."""
        return sorted(self._acts)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """Import a command; None when there is none of that name."""
        if cmd_name not in self._acts:
            return None
        command: click.Command = imported(self._acts[cmd_name])
        return command


def refuse_lost_options(ctx: click.Context) -> None:
    """Refuse options of the listing before a subcommand: ``handlers --kind K retry --failed`` would retry every kind."""
    for parameter in ctx.command.params:
        if parameter.name and ctx.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT:
            raise click.UsageError(
                f"{parameter.opts[0]} belongs behind {ctx.invoked_subcommand}, or to the listing alone."
            )

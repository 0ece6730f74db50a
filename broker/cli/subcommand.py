"""What groups share that list something by themselves."""

import click
from click.core import ParameterSource


def refuse_lost_options(ctx: click.Context) -> None:
    """Refuse options of the listing before a subcommand: ``handlers --kind K retry --failed`` would retry every kind."""
    for parameter in ctx.command.params:
        if parameter.name and ctx.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT:
            raise click.UsageError(
                f"{parameter.opts[0]} belongs behind {ctx.invoked_subcommand}, or to the listing alone."
            )

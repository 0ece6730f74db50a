"""``interapp demo``: everything in one process against a simulated chassis, and a story that ends by itself."""

import os
import shutil
import sys

import click

NAME = "m3000-a"
"""Address of the simulated chassis' service."""


@click.command()
@click.option(
    "--seconds", default=30, show_default=True, type=click.IntRange(10, 3600), help="How long the story takes."
)
def demo(*, seconds: int) -> int:
    """Watch a LANTIME chassis being discovered and messages being handled, without any server.

    A simulated LANTIME M3000, its chassis service and one service per time code receiver run in this process.
    The handler table stays afterwards: in interapp.db, or where INTERAPP_DATABASE_URL says.
    """
    # Loading the services takes longer than --help may.
    from lantime.demo.performance import perform  # noqa: PLC0415
    from lantime.demo.summary import summary  # noqa: PLC0415

    performance = perform(NAME, seconds)
    click.echo()
    for line in summary(performance, _program()):
        click.echo(line)
    if not performance.completed:
        click.echo(f"interapp: the story did not come to its end{performance.trouble}", err=True)
        return 1
    return performance.code


def _program() -> str:
    """Return what to type for ``interapp`` here: its name where the shell finds it, else its path."""
    return "interapp" if shutil.which("interapp") else os.path.relpath(sys.argv[0])

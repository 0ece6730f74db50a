"""``interapp db``: the database itself."""

import click

from broker.cli.listing import open_database
from broker.table.upgrade import REVISION
from broker.table.upgrade import upgrade as bring_up_to_date


@click.group()
def db() -> None:
    """Look after the database of INTERAPP_DATABASE_URL."""


@db.command()
def upgrade() -> None:
    """Make the tables, or bring them to the version of this program. Services do the same when they start."""
    with open_database() as database:
        before = bring_up_to_date(database)
        now = "is" if before == REVISION else "is now"
        was = "" if before == REVISION else f" (it was {f'at {before}' if before else 'empty'})"
        click.echo(f"the database {database.shown_url} {now} at version {REVISION}{was}")

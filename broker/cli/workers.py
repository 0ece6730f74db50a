"""``interapp workers``: who serves which app."""

import click

from broker.cli import options
from broker.cli.cells import WORKER_TITLES, worker_cells
from broker.cli.lines import worker_line
from broker.cli.listing import open_listing, print_json, print_rows
from broker.lifecycle.clock import SystemClock
from broker.table.census import list_workers


@click.command()
@click.option("--app", metavar="A", help="Only the workers of this app.")
@options.combined(options.limit, options.as_json)
def workers(*, app: str | None, limit: int, as_json: bool) -> None:
    """List the workers by app, those that ended too; unknown is one that stopped reporting."""
    with open_listing() as database:
        if database is None:
            return
        rows = list_workers(database, app=app, limit=limit)
        # After the rows: what was written meanwhile must not look as if it came from the future.
        now_us = SystemClock().now_us()
        if as_json:
            print_json(worker_line(row, now_us) for row in rows)
        else:
            print_rows(WORKER_TITLES, [[worker_cells(row, now_us) for row in rows]])

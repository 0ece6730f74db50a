"""``interapp communications``: the Communications table, the other view of the same rows."""

import click

from broker.cli import options
from broker.cli.cells import COMMUNICATION_TITLES, communication_cells
from broker.cli.lines import communication_line
from broker.cli.listing import open_listing, print_json, print_rows
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.table.queries import Wanted, list_handlers


@click.command()
@options.combined(options.states, options.party, options.kinds, options.since, options.limit, options.as_json)
def communications(
    *,
    states: tuple[str, ...],
    apps: tuple[str, ...],
    kinds: tuple[str, ...],
    since_us: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List messages as they travelled: who sent what to whom, when, and how long the outcome took."""
    wanted = Wanted(states=frozenset(map(State, states)), parties=apps, kinds=kinds, since_us=since_us)
    now_us = SystemClock().now_us()
    with open_listing() as database:
        if database is None:
            return
        chunks = list_handlers(database, wanted, limit=limit)
        if as_json:
            print_json(communication_line(row) for rows in chunks for row in rows)
        else:
            print_rows(COMMUNICATION_TITLES, ([communication_cells(row, now_us) for row in rows] for rows in chunks))

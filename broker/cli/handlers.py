"""``interapp handlers``: the Handlers table; the story of one message and what an operator can do stand beside it."""

import click

from broker.cli import options
from broker.cli.cells import HANDLER_TITLES, handler_cells
from broker.cli.lines import handler_line
from broker.cli.listing import open_database, open_listing, print_json, print_rows
from broker.cli.subcommand import ListingGroup, refuse_lost_options
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State
from broker.table.queries import Wanted, list_handlers

FILTERS = options.combined(
    options.states, options.app, options.kinds, options.reasons, options.since, options.limit, options.as_json
)

ACTS = {
    "cancel": "broker.cli.acts:cancel",
    "purge": "broker.cli.purge:purge",
    "retry": "broker.cli.acts:retry",
    "show": "broker.cli.one_message:show",
}
"""Name to module:attribute."""


@click.group(cls=ListingGroup, acts=ACTS, invoke_without_command=True)
@FILTERS
@click.option("--watch", is_flag=True, help="Go on and show what changes, until Ctrl-C.")
@click.pass_context
def handlers(
    ctx: click.Context,
    *,
    states: tuple[str, ...],
    apps: tuple[str, ...],
    kinds: tuple[str, ...],
    reasons: tuple[str, ...],
    since_us: int | None,
    limit: int,
    as_json: bool,
    watch: bool,
) -> None:
    """List handlers and their states, the newest last; or act on some of them."""
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    wanted = Wanted(
        states=frozenset(map(State, states)),
        reasons=frozenset(map(Reason, reasons)),
        apps=apps,
        kinds=kinds,
        since_us=since_us,
    )
    if watch:
        # Only watching needs it: it draws with rich, which is slow to import.
        from broker.cli.watch import watch_handlers  # noqa: PLC0415

        with open_database() as database:
            watch_handlers(database, wanted, limit=limit, as_json=as_json)
        return
    now_us = SystemClock().now_us()
    with open_listing() as database:
        if database is None:
            return
        chunks = list_handlers(database, wanted, limit=limit)
        if as_json:
            print_json(handler_line(row, now_us) for rows in chunks for row in rows)
        else:
            print_rows(HANDLER_TITLES, ([handler_cells(row, now_us) for row in rows] for rows in chunks))

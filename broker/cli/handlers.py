"""``interapp handlers``: the Handlers table, the story of one message, and what an operator can do."""

import click

from broker.cli import options
from broker.cli.acts import cancel, retry
from broker.cli.cells import HANDLER_TITLES, handler_cells
from broker.cli.lines import handler_line, story_line
from broker.cli.listing import open_database, open_existing, open_listing, print_json, print_rows
from broker.cli.purge import purge
from broker.cli.story import tell
from broker.cli.subcommand import refuse_lost_options
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State
from broker.table.census import list_workers
from broker.table.queries import Wanted, find_handler, list_handlers, read_history, read_letter
from broker.table.reports import read_replies

FILTERS = options.combined(
    options.states, options.app, options.kinds, options.reasons, options.since, options.limit, options.as_json
)


@click.group(invoke_without_command=True)
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


@handlers.command()
@click.argument("message_id", metavar="ID")
@options.destination
@click.option("--full", is_flag=True, help="The whole body, however large.")
@options.as_json
def show(message_id: str, *, app: str | None, full: bool, as_json: bool) -> None:
    """Tell the whole story of a message. Any unambiguous part of its id will do."""
    now_us = SystemClock().now_us()
    with open_existing() as database:
        row = find_handler(database, message_id, app=app)
        letter = read_letter(database, row.seq)
        history = read_history(database, row.seq)
        partial = read_replies(database, row.seq)
        if as_json:
            print_json([story_line(row, letter, history, partial, now_us)])
            return
        workers = list_workers(database, app=row.destination)
    for line in tell(row, letter, history, partial, workers, now_us=now_us, full=full):
        click.echo(line)


handlers.add_command(retry)
handlers.add_command(cancel)
handlers.add_command(purge)

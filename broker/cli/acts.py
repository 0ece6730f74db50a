"""``interapp handlers retry`` and ``cancel``: what an operator does to handlers."""

import click

from broker.cli import options
from broker.cli.cells import HANDLER_TITLES, handler_cells
from broker.cli.checked_body import checked_body, given_body
from broker.cli.listing import open_existing, open_listing, print_rows
from broker.cli.words import operator_name
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State
from broker.settings import InterAppSettings
from broker.table.database import Database
from broker.table.operator_acts import cancel as cancel_rows
from broker.table.operator_acts import retriable, retry_edited, retry_failed
from broker.table.operator_acts import retry as retry_rows
from broker.table.queries import LARGEST, HandlerRow, Wanted, find_handler, list_handlers


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--failed", is_flag=True, help="Everything that failed, as far as the options below allow.")
@options.reasons
@options.kinds
@options.since
@click.option("--app", metavar="A", help="The app that handles it; with --failed also A.* for all below it.")
@click.option("--dry-run", is_flag=True, help="Only list what would be retried.")
@click.option(
    "--body",
    metavar="JSON",
    help="Give the one message another body, - to read it from stdin; its history keeps the old one.",
)
def retry(
    *,
    ids: tuple[str, ...],
    failed: bool,
    reasons: tuple[str, ...],
    kinds: tuple[str, ...],
    since_us: int | None,
    app: str | None,
    dry_run: bool,
    body: str | None,
) -> None:
    """Let failed handlers run again, with fresh attempts and without a deadline."""
    if bool(ids) == failed:
        raise click.UsageError("Name the ids to retry, or give --failed; not both.")
    if ids and (reasons or kinds or since_us is not None):
        raise click.UsageError("--reason, --kind and --since go with --failed, not with ids.")
    if body is not None and (len(ids) != 1 or dry_run):
        raise click.UsageError("--body goes with one id, and not with --dry-run.")
    if ids:
        with open_existing() as database:
            rows = _found(database, ids, app)
            if body is not None:
                _retry_edited(database, rows[0], body)
                return
            if dry_run:
                _list(rows)
                return
            retry_rows(database, SystemClock(), [row.seq for row in rows], operator_name())
        for row in rows:
            click.echo(f"{row.id}: waiting again")
        return
    wanted = Wanted(
        reasons=frozenset(map(Reason, reasons)), kinds=kinds, since_us=since_us, apps=(app,) if app is not None else ()
    )
    with open_listing() as database:
        if database is not None and dry_run:
            for chunk in list_handlers(database, retriable(wanted), limit=LARGEST):
                _list(chunk)
            return
        retried = 0 if database is None else retry_failed(database, SystemClock(), wanted, operator_name())
    click.echo(f"{retried} waiting again")


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@options.destination
def cancel(*, ids: tuple[str, ...], app: str | None) -> None:
    """Cancel handlers: a waiting one ends at once, a running one is asked to stop and its outcome wins."""
    with open_existing() as database:
        rows = _found(database, ids, app)
        states = cancel_rows(database, SystemClock(), [row.seq for row in rows], operator_name())
    for row in rows:
        became = "cancelled" if states[row.seq] is State.FAILED else "asked to stop; its outcome wins"
        click.echo(f"{row.id}: {became}")


def _found(database: Database, ids: tuple[str, ...], app: str | None) -> list[HandlerRow]:
    """Return the rows, each once, in the order of the ids."""
    rows = (find_handler(database, each, app=app) for each in ids)
    return list({row.seq: row for row in rows}.values())


def _retry_edited(database: Database, row: HandlerRow, body: str) -> None:
    checked = checked_body(row.kind, given_body(body), InterAppSettings.load(), any_kind=True)
    retry_edited(
        database,
        SystemClock(),
        row.seq,
        checked.body,
        version=checked.version,
        content_type=checked.content_type,
        who=operator_name(),
    )
    click.echo(f"{row.id}: waiting again, with another body")


def _list(rows: list[HandlerRow]) -> None:
    now_us = SystemClock().now_us()
    print_rows(HANDLER_TITLES, [[handler_cells(row, now_us) for row in rows]])

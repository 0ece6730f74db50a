"""``interapp calls``: messages that were sent together, and what became of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from broker.cli import options
from broker.cli.cells import STATE_STYLES, note, state_text, took_text, tries_text
from broker.cli.lines import handler_line
from broker.cli.listing import open_existing, open_listing, print_json, print_rows
from broker.cli.plain import Cell
from broker.cli.subcommand import refuse_lost_options
from broker.cli.words import age, duration
from broker.lifecycle.clock import SystemClock, to_iso
from broker.lifecycle.ids import short_id
from broker.lifecycle.state import State
from broker.observe.printable import printable
from broker.table.calls import CallRow, find_call, list_calls, read_call
from broker.table.queries import HandlerRow
from broker.table.reports import given_up

CALL_TITLES = ("CALL", "FROM", "TO", "SIZE", *(state.value.upper() for state in State), "AGE", "TOOK")
MESSAGE_TITLES = ("NO", "ID", "KIND", "STATE", "TRIES", "TOOK", "NOTE")


@click.group(invoke_without_command=True)
@options.combined(options.party, options.limit, options.as_json)
@click.pass_context
def calls(ctx: click.Context, *, apps: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List bulk calls with their counts per state, the newest last; or show one of them."""
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    with open_listing() as database:
        if database is None:
            return
        rows = list_calls(database, apps, limit=limit)
    if as_json:
        print_json(map(call_line, rows))
        return
    now_us = SystemClock().now_us()
    print_rows(CALL_TITLES, [[call_cells(row, now_us) for row in rows]])


@calls.command()
@click.argument("call_id", metavar="ID")
@click.option("--app", metavar="A", help="The app that handles it, where calls to several have one id.")
@options.as_json
def show(call_id: str, *, app: str | None, as_json: bool) -> None:
    """Show the messages of a call in their order. Any unambiguous part of its id will do."""
    with open_existing() as database:
        call = find_call(database, call_id, app=app)
        rows = read_call(database, call)
        late = given_up(database, [row.seq for row in rows])
    # After the rows: what was written meanwhile must not look as if it came from the future.
    now_us = SystemClock().now_us()
    if as_json:
        lines = [handler_line(row, now_us) | {"late": is_late(row, late)} for row in rows]
        print_json([call_line(call) | {"messages": lines}])
        return
    for line in headline(call, rows, now_us):
        click.echo(line)
    cells = [message_cells(number, row, now_us, late=is_late(row, late)) for number, row in enumerate(rows, start=1)]
    print_rows(MESSAGE_TITLES, [cells])


def call_line(call: CallRow) -> dict[str, Any]:
    """Return a call as a line of the listing. Programs read it: a key is never renamed. Times are ISO 8601 in UTC."""
    return {
        "call_id": call.id,
        "source": call.source,
        "destination": call.destination,
        "size": call.size,
        "stop_on_failure": call.stop_on_failure,
        **{state.value: call.states[state] for state in State},
        "sent_at": to_iso(call.sent_us or None),
        "finished_at": to_iso(call.finished_us),
    }


def call_cells(call: CallRow, now_us: int) -> tuple[Cell, ...]:
    """Return a call as a row of the listing; as many cells as CALL_TITLES."""
    took = duration(call.finished_us - call.sent_us) if call.finished_us is not None and call.sent_us else ""
    return (
        Cell(short_id(call.id), "bold"),
        Cell(call.source or "-"),
        Cell(call.destination),
        Cell("?" if call.size is None else str(call.size)),
        *(Cell(str(call.states[state]), STATE_STYLES[state] if call.states[state] else "dim") for state in State),
        Cell(age(now_us - call.sent_us)),
        Cell(took),
    )


def message_cells(number: int, row: HandlerRow, now_us: int, *, late: bool) -> tuple[Cell, ...]:
    """Return a message of a call as a row; as many cells as MESSAGE_TITLES."""
    notes = [part for part in ("late" if late else "", note(row, now_us)) if part]
    return (
        Cell(str(number)),
        Cell(short_id(row.id), "bold"),
        Cell(row.kind),
        Cell(state_text(row), STATE_STYLES[row.state]),
        Cell(tries_text(row)),
        Cell(took_text(row, now_us)),
        Cell(": ".join(notes), "dim"),
    )


def headline(call: CallRow, rows: Sequence[HandlerRow], now_us: int) -> Iterator[str]:
    """Yield what stands above the messages of a call."""
    size = "an unknown number of" if call.size is None else str(call.size)
    yield click.style(printable(f"call {call.id}"), bold=True)
    yield printable(
        f"{size} messages from {call.source or '(it did not say)'} to {call.destination}, {age(now_us - call.sent_us)} ago"
    )
    if call.stop_on_failure:
        yield "the first failure cancels what has not begun"
    if call.size is not None and len(rows) < call.size:
        yield f"{call.size - len(rows)} of them were purged"


def is_late(row: HandlerRow, given_up_seqs: set[int]) -> bool:
    """Tell whether the outcome came after the requester had given up waiting for it."""
    return row.state.final and row.seq in given_up_seqs

"""``interapp dead-letters``: what reached no app, and what an operator does about it."""

import json
from collections.abc import Iterator
from typing import Any

import click

from broker.cli import options
from broker.cli.body import body_lines
from broker.cli.listing import open_existing, open_listing, print_json, print_rows
from broker.cli.plain import Cell
from broker.cli.subcommand import refuse_lost_options
from broker.cli.words import age, operator_name
from broker.lifecycle.clock import SystemClock, to_iso
from broker.lifecycle.ids import short_id
from broker.observe.printable import printable
from broker.table.dead_letter_acts import discard as discard_letters
from broker.table.dead_letter_acts import replay as replay_letters
from broker.table.dead_letters import DeadLetterRow, Fate, Remains, list_dead_letters, read_dead_letter

TITLES = ("NUMBER", "AGE", "ID", "KIND", "FROM", "TO", "BYTES", "STATE", "REASON")
STYLES = {Fate.KEPT: "yellow", Fate.REPLAYED: "green", Fate.DISCARDED: "dim"}

NUMBER = click.IntRange(min=1)

LABEL = 14
"""Width of the left column of a story."""


@click.group(name="dead-letters", invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Those that were replayed or discarded, too.")
@options.combined(options.limit, options.as_json)
@click.pass_context
def dead_letters(ctx: click.Context, *, every: bool, limit: int, as_json: bool) -> None:
    """List what reached no app and waits for a decision, the newest last; or decide."""
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    now_us = SystemClock().now_us()
    with open_listing() as database:
        if database is None:
            return
        chunks = list_dead_letters(database, every=every, limit=limit)
        if as_json:
            print_json(dead_letter_line(row) for rows in chunks for row in rows)
        else:
            print_rows(TITLES, ([_cells(row, now_us) for row in rows] for rows in chunks))


@dead_letters.command()
@click.argument("number", metavar="N", type=NUMBER)
@click.option("--full", is_flag=True, help="The whole body, however large.")
@options.as_json
def show(number: int, *, full: bool, as_json: bool) -> None:
    """Tell all about one dead letter: why it is one, its headers, its body."""
    with open_existing() as database:
        row, remains = read_dead_letter(database, number)
    if as_json:
        body = {"headers": json.loads(remains.headers), "body": remains.body.decode(errors="replace")}
        print_json([dead_letter_line(row) | body])
        return
    for line in _tell(row, remains, full=full):
        click.echo(line)


@dead_letters.command()
@click.argument("numbers", metavar="N...", type=NUMBER, nargs=-1, required=True)
@click.option("--to", metavar="ADDRESS", help="The app that shall handle it, in place of the one it was sent to.")
def replay(numbers: tuple[int, ...], *, to: str | None) -> None:
    """Let its app handle a dead letter after all: it becomes a row of the handler table. All of them, or none."""
    with open_existing() as database:
        try:
            replayed = replay_letters(database, SystemClock(), numbers, operator_name(), to=to)
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint="--to") from exc
    for each in replayed:
        became = f"its row was there already ({each.standing})" if each.standing else "waiting"
        click.echo(f"{each.number}: {printable(each.message_id)} to {each.destination}: {became}")


@dead_letters.command()
@click.argument("numbers", metavar="N...", type=NUMBER, nargs=-1, required=True)
def discard(numbers: tuple[int, ...]) -> None:
    """Note that nobody needs a dead letter. It stays readable (--all) for 90 days. All of them, or none."""
    with open_existing() as database:
        discard_letters(database, SystemClock(), numbers, operator_name())
    for number in numbers:
        click.echo(f"{number}: discarded")


def dead_letter_line(row: DeadLetterRow) -> dict[str, Any]:
    """Return a dead letter as a line of JSON. Programs read these: a key is never renamed."""
    return {
        "number": row.number,
        "queue": row.queue,
        "reason": row.reason,
        "id": row.message_id or None,
        "kind": row.kind,
        "source": row.source,
        "user": row.amqp_user,
        "destination": row.destination or None,
        "routing_key": row.routing_key,
        "bytes": row.body_size,
        "arrived_at": to_iso(row.arrived_us),
        "state": row.state.value,
        "who": row.who,
        "at": to_iso(row.at_us),
        "result": row.result,
    }


def _cells(row: DeadLetterRow, now_us: int) -> tuple[Cell, ...]:
    return (
        Cell(str(row.number), "bold"),
        Cell(age(now_us - row.arrived_us)),
        Cell(short_id(row.message_id) or "-"),
        Cell(row.kind or "-"),
        Cell(row.source or "-"),
        Cell(row.destination or row.routing_key or "-"),
        Cell(str(row.body_size)),
        Cell(row.state.value, STYLES[row.state]),
        Cell(row.reason, "dim"),
    )


def _tell(row: DeadLetterRow, remains: Remains, *, full: bool) -> Iterator[str]:
    yield click.style(f"dead letter {row.number}: {printable(row.reason)}", bold=True)
    yield ""
    for label, value in _facts(row, remains):
        if value:
            yield f"  {label:<{LABEL}}{printable(value)}"
    yield click.style("headers", bold=True)
    yield from body_lines(remains.headers, full=full)
    yield click.style(f"body ({row.body_size} bytes)", bold=True)
    yield from body_lines(remains.body.decode(errors="replace"), full=full)
    if len(remains.body) < row.body_size:
        yield f"  only its first {len(remains.body)} bytes were kept"
    if row.state is Fate.KEPT:
        yield click.style("what you can do", bold=True)
        to = "" if row.destination else " --to ADDRESS"
        yield f"  interapp dead-letters replay {row.number}{to}    have it handled after all"
        yield f"  interapp dead-letters discard {row.number}    take it off the list"


def _facts(row: DeadLetterRow, remains: Remains) -> Iterator[tuple[str, str]]:
    yield "state", f"{row.state} by {row.who} at {to_iso(row.at_us)}" if row.who else row.state.value
    yield "result", row.result or ""
    yield "arrived", to_iso(row.arrived_us) or ""
    yield "found in", row.queue
    yield "sent to", row.destination or f"{row.routing_key!r}, which is no address"
    yield "id", row.message_id or "(its producer gave none)"
    yield "kind", row.kind or "(its producer gave none)"
    yield "from", row.source or "(it did not say)"
    yield "call", remains.call_id
    yield "follows from", remains.correlation_id
    yield "reply to", remains.reply_to
    yield "version", f"{remains.version}  ({remains.content_type or 'no content type'})"
    yield "RabbitMQ user", row.amqp_user

"""``interapp handlers show``: the story of one message."""

import click

from broker.cli import options
from broker.cli.listing import open_existing, print_json
from broker.cli.story import tell
from broker.cli.story_line import story_line
from broker.lifecycle.clock import SystemClock
from broker.table.census import list_workers
from broker.table.queries import find_handler, read_history, read_letter
from broker.table.reports import read_replies


@click.command()
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

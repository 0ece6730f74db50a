"""``interapp handlers purge``: makes room, at once and by hand."""

import time
from collections.abc import Iterator

import click

from broker.cli import options
from broker.cli.listing import open_listing
from broker.errors import TableError
from broker.lifecycle.clock import SystemClock
from broker.table.guard import guard
from broker.table.retention import GUARD, Limits, Retention

PAUSE_SECONDS = 0.02
"""Least pause between two parts."""


@click.command()
@click.option(
    "--older-than",
    "before_us",
    type=options.Moment(),
    required=True,
    help="What ended before then: 12h, 7d, 4w, or an ISO time.",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Spare the newest N rows, however old.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many would go.")
def purge(*, before_us: int, keep: int, dry_run: bool) -> None:
    """Delete handlers that ended, with their history. What waits or runs always stays.

    Their ids are remembered for 90 days: a late duplicate of a purged message is not handled again.
    """
    with open_listing() as database:
        if database is None:
            click.echo("0 purged: there is no handler table yet")
            return
        retention = Retention(database, SystemClock())
        limits = Limits(before_us=before_us, spared_from=retention.nth_newest(keep))
        if dry_run:
            click.echo(f"{retention.count(limits)} would be purged")
            return
        with guard(database, GUARD) as alone:
            if not alone:
                raise TableError("another process is purging just now; try again when it is done")
            purged = _slowly(retention.purge(limits))
    click.echo(f"{purged} purged")


def _slowly(parts: Iterator[int]) -> int:
    """Purge part by part; services get at least half of the time: SQLite lets whoever asks again at once write before them."""
    purged = 0
    began = time.monotonic()
    for count in parts:
        purged += count
        time.sleep(max(PAUSE_SECONDS, time.monotonic() - began))
        began = time.monotonic()
    return purged

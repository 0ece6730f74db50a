"""``interapp alarms``: the alarms of every chassis and slot."""

import click

from broker.cli import options


@click.command()
@click.option("--history", is_flag=True, help="Those that are over (each app keeps its last 200), the last one last.")
@click.option(
    "--app",
    "apps",
    metavar="A",
    multiple=True,
    help="Only those of these apps; m1000-a.* for all below it (may be repeated).",
)
@click.option(
    "--severity",
    type=click.Choice(["info", "warning", "error", "critical"]),
    default="info",
    help="Only what is at least so severe.",
)
@click.option(
    "--since",
    "since_us",
    type=options.Moment(),
    help="Only what was raised (with --history: cleared) since then: 30s, 10m, 2h, 1d, or an ISO time.",
)
@click.option("--watch", is_flag=True, help="Show what is active and what changes, until Ctrl-C.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="The N most severe, of ended ones the last N.")
@options.as_json
def alarms(
    *,
    history: bool,
    apps: tuple[str, ...],
    severity: str,
    since_us: int | None,
    watch: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the alarms that are active, the most severe first."""
    # Loading the table takes longer than --help may.
    from broker.cli.listing import open_database, open_listing, print_json, print_rows  # noqa: PLC0415
    from broker.lifecycle.clock import SystemClock  # noqa: PLC0415
    from lantime.alarms import listing  # noqa: PLC0415
    from lantime.alarms.watch import watch_alarms  # noqa: PLC0415
    from lantime.contract.alarms import Severity  # noqa: PLC0415

    def tell(problem: str) -> None:
        click.echo(problem, err=True)

    wanted = listing.WantedAlarms(
        apps=apps,
        least=Severity(severity),
        since=None if since_us is None else listing.from_microseconds(since_us),
    )
    if watch and history:
        raise click.UsageError("--watch shows what ends, too: leave --history out")
    if watch:
        with open_database() as watched:
            watch_alarms(watched, wanted, limit=limit, as_json=as_json, tell=tell)
        return
    with open_listing() as database:
        if database is None:
            return
        now = listing.from_microseconds(SystemClock().now_us())
        if history:
            found = listing.ended_alarms(database, wanted, tell)[-(limit or 0) :]
        else:
            found = listing.active_alarms(database, wanted, tell)[:limit]
        if as_json:
            print_json(listing.alarm_line(each, now) for each in found)
            return
        print_rows(listing.HISTORY_TITLES if history else listing.ACTIVE_TITLES, [listing.rows(found, now)])

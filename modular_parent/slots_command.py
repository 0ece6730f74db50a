"""``interapp slots``: the inventory of every chassis."""

from collections.abc import Iterator

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, on stdout.")
def slots(*, as_json: bool) -> None:
    """List the slots of every chassis and the modules in them, as last seen."""
    # Loading the table takes longer than --help may.
    from broker.cli.listing import open_listing, print_json, print_rows  # noqa: PLC0415
    from broker.cli.plain import Cell  # noqa: PLC0415
    from broker.lifecycle.clock import SystemClock  # noqa: PLC0415
    from modular_parent.listing import TITLES, chassis_problems, slot_cells, slot_line, slot_records  # noqa: PLC0415

    with open_listing() as database:
        if database is None:
            return
        records = slot_records(database)
        if as_json:
            print_json(slot_line(chassis, record) for chassis, record in records)
            return
        now_us = SystemClock().now_us()

        def rows() -> Iterator[list[list[Cell]]]:
            yield [slot_cells(chassis, record, now_us) for chassis, record in records]

        print_rows(TITLES, rows())
        for problem in chassis_problems(database, now_us):
            click.echo(problem, err=True)

"""``interapp slots``: the inventory of every chassis, and all that is understood of one module."""

from collections.abc import Iterator

import click


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, on stdout.")
@click.pass_context
def slots(ctx: click.Context, *, as_json: bool) -> None:
    """List the slots of every chassis and the modules in them, as last seen; show one of them in full."""
    # Loading the table takes longer than --help may.
    from broker.cli.listing import open_listing, print_json, print_rows  # noqa: PLC0415
    from broker.cli.plain import Cell  # noqa: PLC0415
    from broker.cli.subcommand import refuse_lost_options  # noqa: PLC0415
    from broker.lifecycle.clock import SystemClock  # noqa: PLC0415
    from modular_parent.listing import TITLES, chassis_problems, slot_cells, slot_line, slot_records  # noqa: PLC0415

    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
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


@slots.command()
@click.argument("slot", metavar="[CHASSIS.]SLOT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, on stdout.")
def show(slot: str, *, as_json: bool) -> None:
    """Show all that is understood of the module in a slot, as clk1 or m1000-a.clk1, and how certain it is."""
    from broker.cli.listing import open_existing, print_json  # noqa: PLC0415 as above
    from broker.lifecycle.clock import SystemClock  # noqa: PLC0415
    from modular_parent.details import details_line, find_details  # noqa: PLC0415
    from modular_parent.telling import TITLE, tell  # noqa: PLC0415

    with open_existing() as database:
        found = find_details(database, slot)
    if as_json:
        print_json([details_line(found)])
        return
    for line in tell(found, SystemClock().now_us()):
        click.echo(click.style(line.text, bold=line.style == TITLE))

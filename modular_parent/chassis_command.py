"""``interapp chassis``: every chassis as its service last saw it, and all that is known of one."""

from collections.abc import Iterator

import click


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, on stdout.")
@click.pass_context
def chassis(ctx: click.Context, *, as_json: bool) -> None:
    """List every chassis: what it is, what it follows, how its clock stands; or show one."""
    # Loading the table takes longer than --help may.
    from broker.cli.listing import open_listing, print_json, print_rows  # noqa: PLC0415
    from broker.cli.plain import Cell  # noqa: PLC0415
    from broker.cli.subcommand import refuse_lost_options  # noqa: PLC0415
    from broker.lifecycle.clock import SystemClock  # noqa: PLC0415
    from modular_parent.chassis_known import known_chassis  # noqa: PLC0415
    from modular_parent.chassis_listing import TITLES, chassis_cells, chassis_line, remarks  # noqa: PLC0415

    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    with open_listing() as database:
        known = known_chassis(database) if database is not None else []
    if as_json:
        print_json(map(chassis_line, known))
        return
    now_us = SystemClock().now_us()

    def rows() -> Iterator[list[list[Cell]]]:
        yield [chassis_cells(each, now_us) for each in known]

    print_rows(TITLES, rows())
    for each in known:
        for remark in remarks(each, now_us):
            click.echo(remark, err=True)


@chassis.command()
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else.")
def show(name: str, *, as_json: bool) -> None:
    """Show all that is known of one chassis: system, LEDs, ports, NTP, notifications, SyncMon nodes."""
    # As above.
    from broker.cli.listing import open_existing, print_json  # noqa: PLC0415
    from broker.errors import NotFound  # noqa: PLC0415
    from broker.lifecycle.clock import SystemClock  # noqa: PLC0415
    from modular_parent.chassis_known import known_chassis  # noqa: PLC0415
    from modular_parent.chassis_listing import chassis_line  # noqa: PLC0415
    from modular_parent.chassis_story import tell  # noqa: PLC0415

    with open_existing() as database:
        found = {each.address: each for each in known_chassis(database)}
    known = found.get(name)
    if known is None:
        there = f"known are {', '.join(found)}" if found else "none is known: its service has not run yet"
        raise NotFound(f"there is no chassis {name}; {there}")
    if as_json:
        system = known.system.model_dump(mode="json") if known.system else None
        notifications = [one.model_dump(mode="json") for one in known.notifications.entries]
        print_json([chassis_line(known) | {"system": system, "notifications": notifications}])
        return
    for line in tell(known, SystemClock().now_us()):
        click.echo(line if line.startswith(" ") else click.style(line, bold=True))

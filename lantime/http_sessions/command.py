"""``interapp http-sessions``: what apps and their device exchanged over HTTP, and how much of it is kept."""

import math

import click
from click.core import ParameterSource

from broker.cli import options

LARGEST_MAXIMUM = 10_000
"""As in the contract, which takes longer to load than --help may."""

WAIT_SECONDS = 10.0


def _seconds(_ctx: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise click.BadParameter(f"{value} is no number of seconds, 0 or more.")
    return value


def _refuse(ctx: click.Context, because: str, *names: str) -> None:
    for parameter in ctx.command.params:
        if parameter.name in names and ctx.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{parameter.opts[0]} {because}.")


@click.command("http-sessions")
@click.option(
    "--app", "apps", metavar="A", multiple=True, help="Only these apps; m1000-a.* for all below it (may be repeated)."
)
@click.option("--errors", is_flag=True, help="Only those without an answer of status 200 to 299.")
@click.option(
    "--since",
    "since_us",
    type=options.Moment(),
    help="Only what was requested since then: 30s, 10m, 2h, 1d, or an ISO time.",
)
@options.limit
@click.option("--watch", is_flag=True, help="Go on and show what is kept from now on, until Ctrl-C.")
@click.option("--enable/--disable", "enabled", default=None, help="Switch recording on or off, for good.")
@click.option(
    "--max",
    "maximum",
    metavar="N",
    type=click.IntRange(1, LARGEST_MAXIMUM),
    help=f"Keep at most so many of each app, 1 to {LARGEST_MAXIMUM}.",
)
@click.option(
    "--wait",
    "wait_seconds",
    metavar="SECONDS",
    type=float,
    default=WAIT_SECONDS,
    show_default=True,
    callback=_seconds,
    help="How long to wait until it is set.",
)
@options.as_json
@click.pass_context
def http_sessions(
    ctx: click.Context,
    *,
    apps: tuple[str, ...],
    errors: bool,
    since_us: int | None,
    limit: int,
    watch: bool,
    enabled: bool | None,
    maximum: int | None,
    wait_seconds: float,
    as_json: bool,
) -> int:
    """List what apps and their device exchanged over HTTP, the newest last.

    With --enable, --disable or --max set instead whether it is recorded, and how much is kept: of every app that talks to a
    device, or of those of --app.
    """
    # Loading the table takes longer than --help may.
    from lantime.http_sessions.acts import list_sessions, set_recording  # noqa: PLC0415
    from lantime.http_sessions.listing import Asked  # noqa: PLC0415

    if enabled is None and maximum is None:
        _refuse(ctx, "goes with --enable, --disable or --max", "wait_seconds")
        asked = Asked(apps=apps, errors=errors, since_us=since_us)
        return list_sessions(asked, limit=limit, watching=watch, as_json=as_json)
    _refuse(ctx, "lists: it does not go with --enable, --disable and --max", "errors", "since_us", "limit", "watch")
    return set_recording(Asked(apps=apps), enabled=enabled, maximum=maximum, wait_seconds=wait_seconds, as_json=as_json)

"""``interapp parent``: the service of one chassis or several as a process."""

import click


@click.command()
def parent() -> int:
    """Run the service of one chassis (LANTIME_URL, LANTIME_NAME), or of all that --config lists, until SIGTERM or Ctrl-C."""
    # Loading the runtime takes longer than --help may.
    from broker.cli.process import require_shared_broker  # noqa: PLC0415
    from broker.runtime.service import run_services  # noqa: PLC0415
    from broker.settings import InterAppSettings  # noqa: PLC0415
    from modular_parent.service import build  # noqa: PLC0415

    settings = InterAppSettings.load()
    require_shared_broker(settings, "parent")
    return run_services(settings, [build])

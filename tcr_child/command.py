"""``interapp child``: the service of one TCR slot as a process, or a member of a pool that serves whichever needs one."""

import click


@click.command()
def child() -> int:
    """Run the service of one TCR slot (LANTIME_NAME, TCR_SLOT_ID) until SIGTERM or Ctrl-C.

    With TCR_SLOT_ID=auto it is a member of a pool, and serves whichever slots the parent gives it.
    """
    # Loading the runtime takes longer than --help may.
    from broker.cli.process import require_shared_broker  # noqa: PLC0415
    from broker.runtime.service import run_services  # noqa: PLC0415
    from broker.settings import InterAppSettings  # noqa: PLC0415
    from tcr_child.service import build_child  # noqa: PLC0415

    settings = InterAppSettings.load()
    require_shared_broker(settings, "child")
    return run_services(settings, [build_child])

"""``interapp device-report``: what a device answers, anonymised, for those who extend interapp."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into this file; without it, to stdout.",
)
@click.option("--slot", "slots", metavar="SLOT", multiple=True, help="Only this slot, as in clk1 (may be repeated).")
def device_report(*, output: Path | None, slots: tuple[str, ...]) -> None:
    """Write an anonymised report of the device at LANTIME_URL.

    It tells what the device answers, and nothing that tells whose it is: serial numbers, names, addresses, positions and
    every text that is not known to be harmless are masked. Nothing is
    sent anywhere, and nothing is written to the device. Read the file before you give it to somebody.
    """
    # Loading the client takes longer than --help may.
    import json  # noqa: PLC0415
    import sys  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from broker.errors import InterAppError  # noqa: PLC0415
    from lantime.client import LantimeClient  # noqa: PLC0415
    from lantime.report.asking import ask  # noqa: PLC0415
    from lantime.settings import LantimeSettings  # noqa: PLC0415

    with LantimeClient.from_settings(LantimeSettings.load()) as device:
        report = ask(device, frozenset(slots), interapp=version("lantime-interapp"))
    text = json.dumps(report, indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="ascii")
    except OSError as exc:
        raise InterAppError(f"{output} cannot be written ({exc.strerror}): give another file by --output") from exc
    click.echo(f"written to {output}; read it before you give it to somebody", err=True)

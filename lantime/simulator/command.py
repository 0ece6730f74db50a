"""``interapp simulator``: the simulated LANTIME as a process."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click


@click.command()
@click.option("--host", default="127.0.0.1", envvar="SIMULATOR_HOST", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8443,
    envvar="SIMULATOR_PORT",
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--no-tls", is_flag=True, help="Speak http instead of https with a self-made certificate.")
@click.option(
    "--model",
    default="M1000",
    show_default=True,
    type=click.Choice(["M1000", "M3000"], case_sensitive=False),
    help="The chassis.",
)
@click.option(
    "--api", default="20", show_default=True, type=click.Choice(["8", "10", "16", "20"]), help="The REST API's major."
)
@click.option(
    "--scenario",
    metavar="NAME|FILE",
    help="What all TCRs go through from the start (locked, cold-start, no-signal, no-signal-other-source, "
    "inconsistent-telegram, jitter, utc-offset-missing, wrong-code, module-pulled), or a time line in TOML or JSON.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    help="File in which the saved configuration survives a restart; made by the first save.",
)
@click.option(
    "--certificate-file",
    type=click.Path(dir_okay=False),
    help="Where the certificate is, or is made, for clients to trust; its key is kept beside it.",
)
@click.option(
    "--syncmon-nodes",
    default=0,
    show_default=True,
    type=click.IntRange(0, 1000),
    help="How many (invented) nodes SyncMon watches.",
)
@click.option("--anonymous-read", is_flag=True, help="Let everybody read without a login.")
def simulator(
    *,
    host: str,
    port: int,
    no_tls: bool,
    model: str,
    api: str,
    scenario: str | None,
    state: str | None,
    certificate_file: str | None,
    syncmon_nodes: int,
    anonymous_read: bool,
) -> None:
    """Run a LANTIME that answers the REST API, until it is told to stop.

    Reading takes the login info/info, writing and control admin/admin or super/super. While it runs,
    POST /simulator/pull {"slot": "clk1"} and the like change it (from this machine only). docs/simulator.md has
    the controls, the configuration API and the form of a time line.
    """
    # Loading a web server takes longer than any other command needs.
    from lantime.simulator.server import Simulator  # noqa: PLC0415
    from lantime.simulator.timeline import scenario_or_timeline  # noqa: PLC0415

    running = Simulator(
        model=model.upper(),
        api=int(api),
        tls=not no_tls,
        host=host,
        port=port,
        certificate_file=Path(certificate_file) if certificate_file else None,
        scenario=scenario_or_timeline(scenario) if scenario else None,
        state=Path(state) if state else None,
        syncmon_nodes=syncmon_nodes,
        anonymous_read=anonymous_read,
        on_step=_tell,
    )
    with _stop_signal() as told_to_stop:
        try:
            running.start()
        except OSError as exc:
            raise click.ClickException(f"cannot listen on {host} port {port}: {exc.strerror or exc}") from exc
        try:
            fitted = ", ".join(
                f"{bay.slot_id}={bay.card.model if bay.card else 'empty'}" for bay in running.device.bays.values()
            )
            trust = f"; certificate {running.certificate_file}" if running.certificate_file else ""
            click.echo(
                f"LANTIME simulator {running.device.model} (API {api}) at {running.url}; "
                f"logins info/info (read), admin/admin, super/super (write); slots {fitted}{trust}"
            )
            _wait(told_to_stop, running.play_due)
        finally:
            running.stop()


def _wait(told_to_stop: socket.socket, play_due: Callable[[], float | None]) -> None:
    """Sleep until told to stop, but for the steps of a time line when they are due."""
    while True:
        told_to_stop.settimeout(play_due())
        try:
            told_to_stop.recv(1)
        except (TimeoutError, BlockingIOError):
            continue
        return


def _tell(step: object, problem: Exception | None) -> None:
    click.echo(f"{step}" if problem is None else f"{step}; not done: {problem}")


@contextmanager
def _stop_signal() -> Iterator[socket.socket]:
    """Yield a socket that can be read once SIGTERM or SIGINT came.

    A handler that sets an Event could wait for a lock that the interrupted thread holds; a socket cannot.
    """
    wake, sleeper = socket.socketpair()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        wake.send(b"\0")

    with wake, sleeper:
        before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield sleeper
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

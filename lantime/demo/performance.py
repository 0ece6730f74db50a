"""Sets the stage for the demo, plays the story, and sums it up."""

import os
import signal
from collections import Counter
from threading import Event, Thread

import click

from broker.cli import plugins
from broker.errors import InterAppError
from broker.lifecycle.clock import Clock, SystemClock
from broker.lifecycle.ids import short_id
from broker.lifecycle.state import State
from broker.runtime.host import Host
from broker.runtime.service import run_services
from broker.settings import InterAppSettings
from broker.table.database import Database
from broker.table.queries import HandlerRow, Wanted, list_handlers
from lantime.demo.narrator import Narrator
from lantime.demo.player import Player
from lantime.demo.story import story
from lantime.simulator.server import Simulator

MOST_ROWS = 10_000
"""Far more than one run of the demo makes."""


def perform(chassis: str, seconds: float) -> int:
    """Play the demo; return the process's exit code: 0 when the story came to its end."""
    clock = SystemClock()
    settings = InterAppSettings.load().model_copy(update={"log_level": "warning"})
    began_us = clock.now_us()
    played: list[Player] = []
    completed: list[bool] = []
    stopped = Event()

    with Simulator(model="M3000", api=20, tls=False, port=0, clock=clock) as device:
        # The services read the environment; the demo's chassis is the only one they may see.
        os.environ |= {
            "LANTIME_URL": device.url,
            "LANTIME_NAME": chassis,
            "LANTIME_USERNAME": "info",
            "LANTIME_PASSWORD": "info",
            "LANTIME_POLL_SECONDS": "1",
            "TCR_SLOT_ID": "auto",
        }

        def play(host: Host) -> None:
            narrator = Narrator(host.database, clock)
            player = Player(host, chassis, device, clock, stopped.wait, narrator.tell)
            played.append(player)
            try:
                with narrator.following():
                    narrator.tell(f"A simulated LANTIME M3000 answers at {device.url}")
                    completed.append(player.play(story(chassis), seconds))
            except InterAppError as exc:
                click.echo(f"interapp: {exc}", err=True)
            finally:
                # The story is over: end like any service, so that everything is put away in order.
                signal.raise_signal(signal.SIGTERM)

        code = run_services(
            settings,
            [plugins.load(plugins.APPS, name) for name in plugins.names(plugins.APPS)],
            ready=lambda host: Thread(target=play, args=(host,), name="story", daemon=True).start(),
        )
        stopped.set()
    _sum_up(settings, played[0].sent if played else [], began_us, clock)
    if not any(completed):
        click.echo("interapp: the story did not come to its end", err=True)
        return 1
    return code


def _sum_up(settings: InterAppSettings, sent: list[str], began_us: int, clock: Clock) -> None:
    database = Database(settings.database_url)
    chunks = list_handlers(database, Wanted(since_us=began_us), limit=MOST_ROWS)
    rows = {row.id: row for rows in chunks for row in rows}
    database.close()
    counts = Counter(row.state for row in rows.values())
    kept = database.file or database.shown_url
    click.echo("")
    click.echo(f"{len(rows)} messages in {(clock.now_us() - began_us) / 1_000_000:.0f} s, kept in {kept}:")
    for state in State:
        click.echo(f"  {state.value:<11}{counts[state]:>4}")
    click.echo("What to type next:")
    for command, why in _next(rows, sent):
        click.echo(f"  {command:<42}{why}")


def _next(rows: dict[str, HandlerRow], sent: list[str]) -> list[tuple[str, str]]:
    told = [rows[message_id] for message_id in sent if message_id in rows]
    lines = [("interapp handlers", "every message and the state of its handler")]
    lines += [
        (f"interapp handlers show {short_id(row.id)}", "the story of the command that was rejected")
        for row in told
        if row.state is State.FAILED
    ]
    lines += [
        (f"interapp handlers show {short_id(row.id)}", "the one that succeeded on its second attempt")
        for row in told
        if row.state is State.SUCCEEDED and row.attempts > 1
    ]
    return [
        *lines,
        ("interapp communications", "the same messages as they travelled"),
        ("interapp slots", "the chassis' inventory"),
        ("interapp workers", "who served which app"),
    ]

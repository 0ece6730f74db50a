"""Sets the stage for the demo and plays the story."""

import os
import signal
from dataclasses import dataclass, field
from threading import Event, Thread

from broker.errors import InterAppError
from broker.lifecycle.clock import SystemClock
from broker.runtime import plugins
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


@dataclass(slots=True)
class Performance:
    """What came of one run of the demo."""

    code: int = 0
    """The services' exit code."""
    completed: bool = False
    """Whether the story came to its end."""
    trouble: str = ""
    """What kept it from that."""
    seconds: float = 0.0
    sent: list[str] = field(default_factory=list)
    """Ids of the commands that the story sent."""
    rows: list[HandlerRow] = field(default_factory=list)
    """Every message of this run, in the order in which they were sent."""
    kept_in: str = ""


def perform(chassis: str, seconds: float) -> Performance:
    """Play the demo until the story ends, or the process is asked to stop. Raises SettingError."""
    clock = SystemClock()
    settings = InterAppSettings.load().model_copy(update={"log_level": "warning"})
    began_us = clock.now_us()
    performance = Performance()
    stopped = Event()

    with Simulator(model="M3000", api=20, tls=False, port=0, clock=clock) as device:
        # The services read the environment; the demo's chassis is the only one they may see.
        os.environ |= {
            "LANTIME_URL": device.url,
            "LANTIME_NAME": chassis,
            "LANTIME_USERNAME": "info",
            "LANTIME_PASSWORD": "info",
            "LANTIME_POLL_SECONDS": "1",
            # The story is short: what is over is to be over within it.
            "ALARM_CLEAR_SECONDS": "1",
            "TCR_SLOT_ID": "auto",
        }

        def play(host: Host) -> None:
            narrator = Narrator(host.database, clock)
            player = Player(host, chassis, device, clock, stopped.wait, narrator.tell, performance.sent)
            try:
                with narrator.following():
                    narrator.tell(f"A simulated LANTIME M3000 answers at {device.url}")
                    performance.completed = player.play(story(chassis), seconds)
            except InterAppError as exc:
                performance.trouble = f": {exc}"
            finally:
                # The story is over: end like any service, so that everything is put away in order.
                signal.raise_signal(signal.SIGTERM)

        performance.code = run_services(
            settings,
            [plugins.load(plugins.APPS, name) for name in plugins.names(plugins.APPS)],
            ready=lambda host: Thread(target=play, args=(host,), name="story", daemon=True).start(),
        )
        stopped.set()
    _read(performance, settings, began_us)
    performance.seconds = (clock.now_us() - began_us) / 1_000_000
    return performance


def _read(performance: Performance, settings: InterAppSettings, began_us: int) -> None:
    database = Database(settings.database_url)
    performance.kept_in = str(database.file or database.shown_url)
    chunks = list_handlers(database, Wanted(since_us=began_us), limit=MOST_ROWS)
    performance.rows = [row for rows in chunks for row in rows]
    database.close()

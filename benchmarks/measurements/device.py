"""Budget 9: what polling a simulated M3000 every second costs the real ``interapp parent``, for one chassis and for many.

The pause between two polls is a second, give or take a tenth, so a poll that takes long makes them fewer: both are kept.
All chassis of the list are one simulator under different names: the parent does the same work for each, and the simulator's CPU is
not counted.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.proc import cpu_seconds
from benchmarks.run import Run
from benchmarks.subject import Figure, Subject
from servers.processes import InterappProcess, eventually

WARM_POLLS = 3
"""Polls of each chassis before the measurement: the first ones write what they see."""


def measure(run: Run) -> None:
    """Watch a parent of one chassis, then one of many."""
    for subject, chassis in ((Subject.ONE_CHASSIS, 1), (Subject.MANY_CHASSIS, run.sizes.chassis)):
        run.add(subject, _polling(run, chassis), beside=Subject.ONE_CHASSIS)


def _polling(run: Run, chassis: int) -> dict[str, float]:
    seconds = run.sizes.device_seconds
    with (
        run.servers.fresh() as (amqp_url, database_url),
        tempfile.TemporaryDirectory(prefix="interapp-bench-") as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        simulator = stack.enter_context(
            InterappProcess("simulator", "--no-tls", "--model", "M3000", "--port", "0", cwd=folder)
        )
        url = simulator.wait_for_line(r" at (http://[^;]+);")[1]
        config = folder / "chassis.toml"
        config.write_text(_config(url, chassis), encoding="utf-8")
        environment = {"INTERAPP_BROKER_URL": amqp_url, "INTERAPP_DATABASE_URL": database_url}
        parent = stack.enter_context(InterappProcess("--config", str(config), "parent", cwd=folder, env=environment))
        eventually(lambda: _polls(url, since_us=0) >= WARM_POLLS * chassis, 60.0, "every chassis is polled")
        began_us, before = time.time_ns() // 1000, cpu_seconds(parent.pid)
        time.sleep(seconds)
        used = cpu_seconds(parent.pid) - before
        polls = _polls(url, since_us=began_us)
    # What a poll takes, so that polls that came late do not look cheap.
    return {Figure.POLLING: used / polls * 100, Figure.POLLS: polls / seconds / chassis}


def _config(url: str, chassis: int) -> str:
    shared = '[lantime]\nusername = "info"\npassword = "info"\npoll_seconds = 1\n'
    listed = (f'\n[[chassis]]\nname = "m3000-{number}"\nurl = "{url}"\n' for number in range(chassis))
    return shared + "".join(listed)


def _polls(url: str, *, since_us: int) -> int:
    """Return how many polls the simulator answered since then; it remembers its last 10,000 requests."""
    answer = httpx.get(f"{url}/simulator/request-log", auth=("admin", "admin"), timeout=30.0, trust_env=False)
    requests = answer.raise_for_status().json()["requests"]
    return sum(each["path"] == "/api/status" and each["at_us"] >= since_us for each in requests)

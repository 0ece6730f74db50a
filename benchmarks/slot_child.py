"""The real ``interapp child``, as its process is measured: idle, or after it handled some messages."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.job import Job
from benchmarks.process import Process
from servers.processes import InterappProcess

ADDRESS = "m3000-a.clk1"


@dataclass(frozen=True, slots=True)
class SlotChild:
    """A running child of one slot."""

    process: InterappProcess
    modules: Path
    """Where it writes the names of its libraries' modules when it ends."""

    def end(self) -> list[str]:
        """Ask it to stop; return the modules of other packages that it had imported."""
        self.process.terminate()
        return self.modules.read_text(encoding="utf-8").split()


@contextmanager
def slot_child(amqp_url: str, database_url: str, *, warm: int) -> Iterator[SlotChild]:
    """Yield a child that handled some messages and is idle again."""
    with tempfile.TemporaryDirectory(prefix="interapp-bench-") as name:
        folder = Path(name)
        chassis, slot = ADDRESS.split(".")
        environment = {
            "INTERAPP_BROKER_URL": amqp_url,
            "INTERAPP_DATABASE_URL": database_url,
            "LANTIME_NAME": chassis,
            "TCR_SLOT_ID": slot,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        modules = folder / "modules"
        command = (sys.executable, "-m", "benchmarks.contenders.slot_child", str(modules))
        with InterappProcess(cwd=folder, env=environment, command=command) as process:
            job = Job(amqp_url=amqp_url, database_url=database_url, queue=ADDRESS, count=warm)
            with Process("benchmarks.contenders.slot_questions", "send", job) as asking:
                asking.until_ready()
                asking.go()
                asking.result()
            yield SlotChild(process, modules)

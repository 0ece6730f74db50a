"""A contender's process as the benchmark sees it."""

from pathlib import Path

import pytest

from benchmarks.job import Job
from benchmarks.process import ContenderFailed, Process

HANGS = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""


def test_a_contender_that_hangs_is_ended(tmp_path: Path) -> None:
    """One that gives no result in time is ended with what it started, and named."""
    (tmp_path / "hangs.py").write_text(HANGS, encoding="utf-8")
    job = Job(amqp_url="", database_url="", queue="", count=1)
    with Process("hangs", "handle", job, environment={"PYTHONPATH": str(tmp_path)}, patience_seconds=2.0) as process:
        process.until_ready()
        with pytest.raises(ContenderFailed, match="hangs handle: no result within 2 s"):
            process.result()

"""What a service that runs has imported, and so keeps in memory."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from broker.table.database import Database
from broker.table.upgrade import upgrade
from servers.processes import InterappProcess, run_interapp

TELL_AT_EXIT = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
from broker.cli.main import main
main()
"""


def test_child_imports_what_it_runs_on(
    amqp_url: str, postgres_url: str, start_interapp: Callable[..., InterappProcess], tmp_path: Path
) -> None:
    """A child that has handled a message holds nothing of migrations, web servers, the other database or the simulator."""
    database = Database(postgres_url)
    upgrade(database)
    database.close()
    where = {"INTERAPP_BROKER_URL": amqp_url, "INTERAPP_DATABASE_URL": postgres_url}
    slot = {"LANTIME_NAME": "m1000-a", "TCR_SLOT_ID": "clk1"}
    child = start_interapp("child", env=where | slot, command=(sys.executable, "-c", TELL_AT_EXIT))
    child.wait_for_line("ready")
    sent = run_interapp("send", "m1000-a.clk1", "tcr.get-status", "--wait", "20", cwd=tmp_path, env=where)
    assert sent.returncode == 0, sent.stderr
    assert child.terminate() == 0
    imported = set(json.loads(child.stdout[-1]))
    assert "pika" in imported
    others = {"alembic", "cryptography", "sqlalchemy.dialects.sqlite", "starlette", "uvicorn"}
    ours = {"broker.cli.handlers", "broker.observe.http", "broker.table.storage", "lantime.simulator"}
    assert imported & (others | ours) == set()

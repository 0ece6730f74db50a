"""The tables, apart from what only one sort of database knows of them."""

import subprocess
import sys
from pathlib import Path

import broker.table

APART = {"encoded_dumper", "storage"}
"""What belongs to one database, or names its options."""


def test_tables_name_no_database() -> None:
    """What reads and writes rows loads neither database's part of SQLAlchemy nor a driver: a process needs one of them at most."""
    modules = [f"broker.table.{file.stem}" for file in Path(broker.table.__path__[0]).glob("[a-z]*.py")]
    wanted = [name for name in modules if name.rpartition(".")[2] not in APART]
    ones = ("sqlalchemy.dialects.", "psycopg")
    script = f"import sys, {', '.join(wanted)}\nprint([name for name in sys.modules if name.startswith({ones!r})])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

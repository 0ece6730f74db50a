"""The handler table of the property test: a real SQLite file, without the waits that only a power cut needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from broker.table.database import Database
from broker.table.upgrade import upgrade


@contextmanager
def open_simulated_table(folder: Path) -> Iterator[Database]:
    """Open a table for one world after another; the product's warnings of what befalls it there are not shown."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    database = Database(f"sqlite:///{folder}/table.db")

    @sa.event.listens_for(database.engine, "connect")
    def _no_power_cuts(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    try:
        upgrade(database)
        yield database
    finally:
        database.close()
        structlog.configure(**before)

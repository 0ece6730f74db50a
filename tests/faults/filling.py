"""Fills the handler table by SQL alone: a million rows in seconds, as no sender could."""

import sqlalchemy as sa
from bench import APP

from broker.table.database import Database

COLUMNS = (
    "id, destination, amqp_user, call_id, source, kind, version, content_type, correlation_id, reply_to, traceparent, "
    "body, body_size, doorbell, sent_us, state, finished_us"
)
VALUES = (
    "'filled-' || n, '{app}', '', 'filled', 'filler', 'ledger.note', 1, 'application/json', '', '', '', "
    "{body}, length({text}), '', :sent_us, '{state}', {finished_us}"
)
BODY = "'{\"number\": ' || n || '}'"
PART = 50_000
"""Rows of one transaction: SQLite lets nobody else write meanwhile."""


def fill(database: Database, count: int, *, state: str = "waiting", sent_us: int = 1) -> None:
    """Add rows with the numbers from 0 on: what the ledger's handler is to note, sent and, when final, ended at a time."""
    for first in range(0, count, PART):
        last = min(first + PART, count) - 1
        with database.write(patient=True) as connection:
            connection.execute(_insert(database, state), {"first": first, "last": last, "sent_us": sent_us})


def _insert(database: Database, state: str) -> sa.TextClause:
    numbers = (
        "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
        if database.is_sqlite
        else "WITH numbers(n) AS (SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint)))"
    )
    body = f"CAST({BODY} AS BLOB)" if database.is_sqlite else f"convert_to({BODY}, 'UTF8')"
    finished_us = "NULL" if state == "waiting" else ":sent_us"
    values = VALUES.format(app=APP, text=BODY, body=body, state=state, finished_us=finished_us)
    return sa.text(f"INSERT INTO messages ({COLUMNS}) {numbers} SELECT {values} FROM numbers ORDER BY n")

"""A table with many rows, made by one statement in the database: sending them would take all of the time."""

from enum import StrEnum

import psycopg

from benchmarks.measure import QUEUE
from benchmarks.payload import body
from broker.table.database import Database
from broker.table.upgrade import upgrade


class Filling(StrEnum):
    """What the rows are."""

    FINISHED = "finished"
    """Handled by the measured app itself within the last day; one of a hundred failed."""
    WAITING = "waiting"
    """Half of them for an app that is away, half for the measured one at a later time."""


ROWS = """
    INSERT INTO messages (
        id, destination, amqp_user, call_id, source, kind, version, content_type, correlation_id, reply_to, traceparent,
        body_size, sent_us, state, reason, error, handler, attempts, received_us, started_us, finished_us, due_us, body
    )
    SELECT
        gen_random_uuid()::text, {destination}, '', gen_random_uuid()::text, 'bench', 'bench.filled', 1, 'application/json',
        '', '', '', octet_length(%(body)s), {sent}, {columns}, %(body)s
    FROM generate_series(1, %(rows)s) AS number, (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now_us) AS clock
"""
_SENT = "now_us - 86400000000 * (%(rows)s - number) / %(rows)s - 1000000000"
_FAILED = "number % 100 = 0"
_FINISHED = (
    f"CASE WHEN {_FAILED} THEN 'failed' ELSE 'succeeded' END, CASE WHEN {_FAILED} THEN 'error' END, "
    f"CASE WHEN {_FAILED} THEN 'ValueError: no' END, 'filled', 1, {_SENT} + 1000, {_SENT} + 2000, {_SENT} + 3000, 0"
)
_WAITING = (
    "'waiting', NULL, NULL, NULL, 0, NULL, NULL, NULL, CASE WHEN number % 2 = 0 THEN now_us + 86400000000 ELSE 0 END"
)


def fill(database_url: str, filling: Filling, rows: int) -> None:
    """Make the schema and the rows; let the database learn of them, as its autovacuum would before long."""
    database = Database(database_url)
    try:
        upgrade(database)
    finally:
        database.close()
    finished = filling is Filling.FINISHED
    destination = f"'{QUEUE}'" if finished else f"CASE WHEN number % 2 = 0 THEN '{QUEUE}' ELSE 'm3000-a.away' END"
    columns = _FINISHED if finished else _WAITING
    statement = ROWS.format(destination=destination, sent=_SENT, columns=columns)
    with psycopg.connect(database_url, autocommit=True) as connection:
        # psycopg takes a per cent sign for its own.
        escaped = statement.replace("number % ", "number %% ")
        connection.execute(escaped.encode(), {"body": body(), "rows": rows})
        connection.execute("VACUUM ANALYZE messages")

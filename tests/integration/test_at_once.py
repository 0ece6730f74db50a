"""A send on PostgreSQL, which goes by the driver itself: its errors, and the connections it leaves behind."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from broker.errors import TableError, TableUnavailable
from broker.lifecycle.clock import ManualClock
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.store import HandlerTable
from broker.table.upgrade import upgrade


@pytest.fixture
def table(postgres_url: str) -> Iterator[HandlerTable]:
    """A handler table on a fresh database."""
    database = Database(postgres_url)
    upgrade(database)
    yield HandlerTable(database, ManualClock())
    database.close()


def send(table: HandlerTable, message_id: str, **fields: str) -> None:
    """Send one message."""
    table.accept(
        Effects(sent=(Envelope(message_id=message_id, kind="a.b", body=b"{}", destination="app", **fields),)), app="me"
    )


def ids(table: HandlerTable) -> list[str]:
    """Return the ids of all rows, in the order in which they were sent."""
    with table.database.read() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM messages ORDER BY seq").scalars())


def test_one_loss_is_told_once(table: HandlerTable, postgres_url: str) -> None:
    """When the server has ended every session, one send fails, as TableUnavailable with its cause, and the next goes through."""
    with ExitStack() as several:
        for _ in range(3):
            several.enter_context(table.database.read()).exec_driver_sql("SELECT 1")
    send(table, "before")
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'interapp' AND datname = current_database()"
        )
    with pytest.raises(TableUnavailable, match="cannot be used now") as caught:
        send(table, "meanwhile")
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value.__cause__.__cause__, psycopg.Error)
    send(table, "after")
    assert ids(table) == ["before", "after"]


@pytest.mark.parametrize("kind", ["with\x00NUL", "half \ud800"])
def test_what_cannot_be_stored_is_no_loss(table: HandlerTable, kind: str) -> None:
    """A value that no column keeps is told as TableError, and costs the connection nothing that the next send needs."""
    with pytest.raises(TableError) as caught:
        send(table, "wrong", source=kind)
    assert not isinstance(caught.value, TableUnavailable)
    assert caught.value.__cause__ is not None
    send(table, "right")
    assert ids(table) == ["right"]


def delete_in_vain(table: HandlerTable) -> None:
    """Delete every row in a transaction that fails in the end."""
    with table.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM messages")
        raise ZeroDivisionError


def test_a_transaction_after_a_send_is_one(table: HandlerTable) -> None:
    """What follows a send on its connection is rolled back as a whole."""
    send(table, "kept")
    with pytest.raises(ZeroDivisionError):
        delete_in_vain(table)
    assert ids(table) == ["kept"]

"""The promises of group commit, kept on every database: whoever sends beside others is as safe as alone."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract.databases import APP, KINDS, SENDER, Background, Place, database_url, message

from broker.errors import Superseded, TableError, TableUnavailable
from broker.lifecycle.clock import SystemClock
from broker.messages.effects import DocumentWrite, Effects
from broker.runtime.group_commit import MOST_MESSAGES, GroupCommit
from broker.runtime.outgoing import Outgoing
from broker.table.documents import AppDocuments
from broker.table.rows import Consignment, Lease
from broker.table.store import HandlerTable
from broker.transport.memory.transport import MemoryTransport
from servers.processes import eventually

UNSTORABLE = "\ud800"
"""Half a character: no database keeps it."""


class Table(HandlerTable):
    """The table, and what it was asked to accept; raises what a test puts into ``trouble``, before or after the commit."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.database, place.clock)
        self.accepted: list[list[str]] = []
        self.trouble: dict[str, BaseException] = {}
        self.trouble_after: dict[str, BaseException] = {}

    def accept(self, effects: Effects, *, app: str, doorbell: str = "", lease: Lease | None = None) -> Consignment:
        """Note what comes, and do it, or not."""
        self.accepted.append(ids := [envelope.message_id for envelope in effects.sent])
        self._raise(self.trouble, ids)
        consignment = super().accept(effects, app=app, doorbell=doorbell, lease=lease)
        self._raise(self.trouble_after, ids)
        return consignment

    def _raise(self, trouble: dict[str, BaseException], ids: Sequence[str]) -> None:
        for message_id in ids:
            if message_id in trouble:
                raise trouble.pop(message_id)


class Desk:
    """A process that sends: a group commit in front of a table, and a transport that counts what was published."""

    def __init__(self, place: Place, transport: MemoryTransport) -> None:
        self.place = place
        self.table = Table(place)
        self.transport = transport
        self.group = GroupCommit(self.table, Outgoing(self.table, transport, SystemClock()))
        self.published = Counter[str]()
        transport.start()
        transport.consume(APP, self._arrived, prefetch=10_000)

    def send(self, message_id: str, *, doorbell: str = "", **fields: object) -> None:
        """Send a message as a client does."""
        self.group.commit(Effects((message(message_id, **fields),)), app=SENDER, doorbell=doorbell)

    @contextmanager
    def queued(self, *message_ids: str, **fields: object) -> Iterator[list[Background[None]]]:
        """Let a message "leader" wait at the database and these in the queue; they go on when the block ends."""
        with self.held():
            sending = [Background(lambda: self.send("leader"))]
            eventually(lambda: self.table.accepted, what="the leader is at the database")
            for number, message_id in enumerate(message_ids, 1):
                sending.append(Background(lambda own=message_id: self.send(own, **fields)))  # type: ignore[misc]
                eventually(lambda wanted=number: len(self.group._queue) == wanted, what="it is queued")  # type: ignore[misc]
            yield sending

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep everybody from writing to the table, as another process may, until the block ends."""
        other = self.place.another()
        with other.database.write() as connection:
            if not other.database.is_sqlite:
                connection.exec_driver_sql("LOCK TABLE messages IN EXCLUSIVE MODE")
            yield

    def check(self, *message_ids: str) -> None:
        """Check that each is in the table once, was published once, and nothing else was."""
        assert sorted(row["id"] for row in self.place.rows()) == sorted(message_ids)
        eventually(lambda: set(self.published) == set(message_ids), what="all is published")
        assert set(self.published.values()) <= {1}

    def _arrived(self, deliveries: Sequence[object]) -> None:
        self.published.update(delivery.envelope.message_id for delivery in deliveries)  # type: ignore[attr-defined]


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A process that sends, on each kind of database in turn."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        transport = MemoryTransport(SystemClock())
        try:
            yield Desk(place, transport)
        finally:
            transport.close()


def test_who_comes_alone_commits_at_once(desk: Desk) -> None:
    """Senders one after the other each have their own transaction."""
    for message_id in ("a", "b", "c"):
        desk.send(message_id)
    assert desk.table.accepted == [["a"], ["b"], ["c"]]
    desk.check("a", "b", "c")


def test_who_comes_meanwhile_is_committed_together(desk: Desk) -> None:
    """Those who come while one is at the database are committed in one transaction, in the order in which they came."""
    with desk.queued("a", "b", "c") as sending:
        pass
    for each in sending:
        each.result()
    assert desk.table.accepted == [["leader"], ["a", "b", "c"]]
    assert [row["id"] for row in desk.place.rows()] == ["leader", "a", "b", "c"]
    desk.check("leader", "a", "b", "c")


def test_many_threads_send_each_message_once_and_in_order(desk: Desk) -> None:
    """Of eight threads that send at once every message is there when its send returns, once, and in its thread's order."""
    missing = list[str]()

    def work(thread: int) -> None:
        for number in range(40):
            message_id = f"{thread}-{number:02}"
            desk.send(message_id, source=f"{SENDER}{thread}")
            if not desk.place.select("SELECT 1 FROM messages WHERE id = :id", id=message_id):
                missing.append(message_id)

    for each in [Background(lambda own=thread: work(own)) for thread in range(8)]:  # type: ignore[misc]
        each.join(60)
        each.result()
    assert missing == []
    sent = [[f"{thread}-{number:02}" for number in range(40)] for thread in range(8)]
    rows = desk.place.rows()
    for thread in range(8):
        assert [row["id"] for row in rows if row["source"] == f"{SENDER}{thread}"] == sent[thread]
    desk.check(*(message_id for ids in sent for message_id in ids))


def test_one_that_cannot_be_kept_fails_alone(desk: Desk) -> None:
    """What no database keeps fails its own sender only; all the others of the group are committed, once."""
    with desk.queued("a", "b") as sending:
        bad = Background(lambda: desk.send("bad", kind=UNSTORABLE))
        eventually(lambda: len(desk.group._queue) == 3, what="it is queued")
        sending.append(Background(lambda: desk.send("c")))
        eventually(lambda: len(desk.group._queue) == 4, what="it is queued")
    for each in sending:
        each.result()
    with pytest.raises(TableError) as raised:
        bad.result()
    assert not isinstance(raised.value, TableUnavailable)
    desk.check("leader", "a", "b", "c")


def test_that_the_table_is_away_is_told_to_every_sender(desk: Desk) -> None:
    """When a group's commit is unclear each sender is told, and repeating it with the same ids writes nothing twice."""
    desk.table.trouble_after["b"] = TableUnavailable("the answer to COMMIT was lost")
    with desk.queued("a", "b", "c") as sending:
        pass
    sending[0].result()
    for each in sending[1:]:
        with pytest.raises(TableUnavailable, match="lost"):
            each.result()
    assert len({id(each._error[0]) for each in sending[1:]}) == 3, "each has an error of its own"
    for message_id in ("a", "b", "c"):
        desk.send(message_id)
    desk.check("leader", "a", "b", "c")


@pytest.mark.parametrize("desk", ["postgresql"], indirect=True)
def test_sessions_that_end_under_a_group(desk: Desk) -> None:
    """When PostgreSQL ends the session of a commit, its senders are told, the next in the queue go on, and so does who repeats."""
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    with desk.queued("a", "b") as sending:
        for each in (sending[:1], sending[1:]):
            eventually(lambda: desk.place.select(waiting), what="a session is ended")
            for one in each:
                with pytest.raises(TableUnavailable):
                    one.result()
    for message_id in ("leader", "a", "b"):
        desk.send(message_id)
    desk.check("leader", "a", "b")


def test_a_leader_that_is_interrupted_leaves_nobody_waiting(desk: Desk) -> None:
    """When the thread that commits for others is interrupted, another of them does it."""
    desk.table.trouble["b"] = KeyboardInterrupt()
    with desk.queued("a", "b", "c") as sending:
        pass
    with pytest.raises(KeyboardInterrupt):
        sending[1].result()
    for each in (sending[0], *sending[2:]):
        each.result()
    desk.send("d")
    desk.check("leader", "b", "c", "d")


def test_a_sender_that_is_interrupted_while_it_waits_is_not_waited_for(desk: Desk) -> None:
    """Ctrl-C ends the wait of a sender in the queue; the others go on, and its message is not sent."""
    own = threading.main_thread().ident
    assert own is not None

    def interrupt() -> None:
        eventually(lambda: len(desk.group._queue) == 2, what="it is queued")
        signal.pthread_kill(own, signal.SIGINT)

    with desk.queued("a") as sending:
        interrupting = Background(interrupt)
        with pytest.raises(KeyboardInterrupt):
            desk.send("interrupted")
        interrupting.result()
    for each in sending:
        each.result()
    desk.send("b")
    desk.check("leader", "a", "b")


def test_each_message_keeps_its_senders_doorbell(desk: Desk) -> None:
    """Requests and plain messages that wait together are committed with their own doorbells."""
    with desk.queued("a") as sending:
        for number, (message_id, doorbell) in enumerate([("asked", "bell"), ("b", ""), ("asked too", "bell")], 2):
            send = lambda own=message_id, bell=doorbell: desk.send(own, doorbell=bell)  # noqa: E731
            sending.append(Background(send))
            eventually(lambda wanted=number: len(desk.group._queue) == wanted, what="it is queued")  # type: ignore[misc]
    for each in sending:
        each.result()
    assert desk.table.accepted == [["leader"], ["a", "b"], ["asked", "asked too"]]
    assert {row["id"]: row["doorbell"] for row in desk.place.rows()} == {
        "leader": "", "a": "", "b": "", "asked": "bell", "asked too": "bell"
    }  # fmt: skip


def test_what_is_more_than_messages_has_a_transaction_of_its_own(desk: Desk) -> None:
    """Documents, a lease and large calls are committed by themselves, whoever else waits."""
    large = Effects(tuple(message(f"large {number}") for number in range(MOST_MESSAGES + 1)))
    document = Effects((message("told"),), (), (DocumentWrite("things", "key", "{}"),))
    with desk.queued("a") as sending:
        sending += [
            Background(lambda: desk.group.commit(large, app=SENDER)),
            Background(lambda: desk.group.commit(document, app=SENDER)),
        ]
        eventually(lambda: len(desk.table.accepted) == 3, what="three are at the database")
    for each in sending:
        each.result()
    assert ["told"] in desk.table.accepted
    assert AppDocuments(desk.place.database, SENDER).read("things", "key") == "{}"
    stranger = Lease(APP, "nobody", 7)
    with pytest.raises(Superseded):
        desk.group.commit(Effects((message("late"),)), app=APP, lease=stranger)
    desk.check("leader", "a", "told", *(envelope.message_id for envelope in large.sent))


def test_a_statement_by_itself_leaves_transactions_whole(desk: Desk) -> None:
    """After a statement that was refused by itself the next transaction, on whichever connection, is whole or not at all."""

    def clear_and_fail() -> None:
        with desk.place.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM messages")
            raise ZeroDivisionError

    desk.send("good")
    for _ in range(3):
        with pytest.raises(TableError):
            desk.send("bad", kind=UNSTORABLE)
        with pytest.raises(ZeroDivisionError):
            clear_and_fail()
    assert [row["id"] for row in desk.place.rows()] == ["good"]

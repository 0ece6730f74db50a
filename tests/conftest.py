"""Fixtures of the whole suite: real servers and real processes, each test with its own share of them."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog

from broker.table.database import Database
from broker.table.upgrade import upgrade
from servers import provision
from servers.giving_up import give_up
from servers.postgresql import PostgreSQLAddress, PostgreSQLServer
from servers.processes import InterappProcess
from servers.rabbitmq import RabbitMQAddress, RabbitMQServer
from servers.shared import Unavailable


def pytest_configure() -> None:
    """Let Ctrl-C work: what a shell without job control runs in the background ignores it, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Undo what a test's commands and services configured: the next one looks at what is logged by default."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A temporary folder that all processes of this session share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(scope="session")
def rabbitmq(session_folder: Path) -> Iterator[RabbitMQAddress]:
    """The session's RabbitMQ, shared with other tests: not to be stopped, nor its users and virtual hosts touched."""
    with ExitStack() as stack:
        try:
            address = stack.enter_context(provision.shared_rabbitmq(session_folder))
        except Unavailable as exc:
            give_up(exc)
        yield address


@pytest.fixture(scope="session")
def postgresql(session_folder: Path) -> Iterator[PostgreSQLAddress]:
    """The session's PostgreSQL, shared with other tests: not to be stopped."""
    with ExitStack() as stack:
        try:
            address = stack.enter_context(provision.shared_postgresql(session_folder))
        except Unavailable as exc:
            give_up(exc)
        yield address


@pytest.fixture
def amqp_url(rabbitmq: RabbitMQAddress) -> Iterator[str]:
    """Address of a fresh virtual host of RabbitMQ: `amqp://user:password@127.0.0.1:PORT/vhost`."""
    with rabbitmq.fresh_vhost() as url:
        yield url


@pytest.fixture
def postgres_url(postgresql: PostgreSQLAddress) -> Iterator[str]:
    """Address of a fresh, empty database of PostgreSQL: `postgresql://user:password@127.0.0.1:PORT/database`."""
    with postgresql.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def tables(postgresql: PostgreSQLAddress) -> Iterator[str]:
    """The name of a database of PostgreSQL that has the product's tables, and nobody connected to it."""
    with postgresql.fresh_database() as url:
        with closing(Database(url)) as database:
            upgrade(database)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def ready_postgres_url(postgresql: PostgreSQLAddress, tables: str) -> Iterator[str]:
    """Address of a fresh database that has the product's tables already: a copy takes a sixth of the time of making them."""
    with postgresql.fresh_database(tables) as url:
        yield url


@pytest.fixture
def private_rabbitmq() -> Iterator[RabbitMQServer]:
    """A running RabbitMQ of the test's own, to be stopped, killed, frozen and wiped at will."""
    try:
        server = provision.own_rabbitmq()
    except Unavailable as exc:
        give_up(exc)
    with server:
        yield server


@pytest.fixture
def private_postgresql() -> Iterator[PostgreSQLServer]:
    """A running PostgreSQL of the test's own, to be stopped, killed, frozen and wiped at will."""
    try:
        server = provision.own_postgresql()
    except Unavailable as exc:
        give_up(exc)
    with server:
        yield server


@pytest.fixture
def start_interapp(tmp_path: Path) -> Iterator[Callable[..., InterappProcess]]:
    """Start `interapp ARGS…` in the test's folder: `start_interapp("parent", env={…})`; all are ended with the test."""
    with ExitStack() as stack:

        def start(*args: str, **options: object) -> InterappProcess:
            process = InterappProcess(*args, **{"cwd": tmp_path, **options})  # type: ignore[arg-type]
            return stack.enter_context(process)

        yield start

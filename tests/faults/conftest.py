"""Fixtures of the fault tests: a bench on each pair of broker and database that can lose something.

Tests that break a server share one that is theirs alone, to be found as it was left: started, stopped or wiped.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from bench import Bench
from simulated_table import open_simulated_table

from broker.table.database import Database
from servers import provision
from servers.giving_up import give_up
from servers.postgresql import PostgreSQLServer
from servers.rabbitmq import RabbitMQAddress, RabbitMQServer
from servers.shared import Unavailable

OpenBench = Callable[..., AbstractContextManager[Bench]]


@pytest.fixture
def open_bench(tmp_path: Path, request: pytest.FixtureRequest) -> OpenBench:
    """Open a bench on a broker and a database; its figures go into the test report (``--junitxml``)."""

    @contextmanager
    def opened(broker_url: str, database_url: str, rabbitmq: RabbitMQAddress | None) -> Iterator[Bench]:
        env = {"INTERAPP_BROKER_URL": broker_url, "INTERAPP_DATABASE_URL": database_url}
        made = Bench(tmp_path, env, rabbitmq)
        yield made
        request.node.user_properties.extend(made.figures().items())
        made.close()

    return opened


@pytest.fixture(params=["postgresql", "sqlite"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, rabbitmq: RabbitMQAddress, amqp_url: str, open_bench: OpenBench
) -> Iterator[Bench]:
    """A bench on RabbitMQ with PostgreSQL, and on RabbitMQ with SQLite."""
    postgresql = request.param == "postgresql"
    database_url = request.getfixturevalue("postgres_url") if postgresql else f"sqlite:///{tmp_path}/interapp.db"
    with open_bench(amqp_url, database_url, rabbitmq) as made:
        yield made


@pytest.fixture
def postgresql_bench(
    rabbitmq: RabbitMQAddress, amqp_url: str, postgres_url: str, open_bench: OpenBench
) -> Iterator[Bench]:
    """A bench on RabbitMQ with PostgreSQL."""
    with open_bench(amqp_url, postgres_url, rabbitmq) as made:
        yield made


@pytest.fixture(scope="session")
def _rabbitmq_to_break() -> Iterator[RabbitMQServer]:
    try:
        server = provision.own_rabbitmq()
    except Unavailable as exc:
        give_up(exc)
    with server:
        yield server


@pytest.fixture(scope="session")
def _postgresql_to_break() -> Iterator[PostgreSQLServer]:
    try:
        server = provision.own_postgresql()
    except Unavailable as exc:
        give_up(exc)
    with server:
        yield server


@pytest.fixture
def broken_rabbitmq(_rabbitmq_to_break: RabbitMQServer) -> RabbitMQServer:
    """A RabbitMQ to stop, kill and wipe; it runs and its virtual host is empty."""
    server = _rabbitmq_to_break
    server.start()
    vhost = server.url.rpartition("/")[2]
    server.management.delete_vhost(vhost)
    server.management.create_vhost(vhost)
    return server


@pytest.fixture
def broken_postgresql(_postgresql_to_break: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    """A PostgreSQL to stop, kill and freeze; it runs. Its databases are the test's to make."""
    server = _postgresql_to_break
    server.start()
    yield server
    server.resume()
    server.start()


@pytest.fixture
def rabbitmq_bench(broken_rabbitmq: RabbitMQServer, postgres_url: str, open_bench: OpenBench) -> Iterator[Bench]:
    """A bench on a RabbitMQ that may be broken, with PostgreSQL."""
    with open_bench(broken_rabbitmq.url, postgres_url, broken_rabbitmq.address) as made:
        yield made


@pytest.fixture
def table_bench(
    broken_postgresql: PostgreSQLServer, rabbitmq: RabbitMQAddress, amqp_url: str, open_bench: OpenBench
) -> Iterator[Bench]:
    """A bench on RabbitMQ with a PostgreSQL that may be broken."""
    with (
        broken_postgresql.address.fresh_database() as database_url,
        open_bench(amqp_url, database_url, rabbitmq) as made,
    ):
        yield made
        broken_postgresql.resume()
        broken_postgresql.start()


@pytest.fixture
def simulated_table(tmp_path: Path) -> Iterator[Database]:
    """A table for the worlds of one test, without their noise in the log."""
    with open_simulated_table(tmp_path) as database:
        yield database

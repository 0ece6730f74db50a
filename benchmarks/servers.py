"""The run's own RabbitMQ and PostgreSQL, as the tests get theirs."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.groups import POSTGRESQL, RABBITMQ, Groups
from benchmarks.proc import name, parent
from servers import process_tree
from servers.postgresql import PostgreSQLAddress
from servers.processes import eventually
from servers.provision import shared_postgresql, shared_rabbitmq
from servers.rabbitmq import RabbitMQAddress

STATISTICS_SECONDS = 30.0
"""How long a fresh RabbitMQ may take to have statistics."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers; each measurement gets a virtual host and a database of its own."""

    rabbitmq: RabbitMQAddress
    postgresql: PostgreSQLAddress

    @contextmanager
    def fresh(self, database: str = "postgresql") -> Iterator[tuple[str, str]]:
        """Yield the addresses of an empty virtual host and an empty database."""
        with ExitStack() as stack:
            amqp_url = stack.enter_context(self.rabbitmq.fresh_vhost())
            if database == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="interapp-bench-"))
                yield amqp_url, f"sqlite:///{folder}/bench.db"
            else:
                yield amqp_url, stack.enter_context(self.postgresql.fresh_database())

    def versions(self) -> dict[str, str]:
        """Return the versions of both servers, and of what RabbitMQ runs on."""
        rabbitmq, erlang = self.rabbitmq.management.versions()
        with psycopg.connect(self.postgresql.url) as connection:
            number = connection.info.server_version
        return {"rabbitmq": rabbitmq, "erlang": erlang, "postgresql": f"{number // 10_000}.{number % 10_000}"}

    def groups(self) -> Groups:
        """Return the servers' processes; without those of a server on another machine or in a container."""
        with psycopg.connect(self.postgresql.url) as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            backend: int = row[0]
            postmaster = parent(backend) if name(backend).startswith("postgres") else 0
        rabbitmq = int(eventually(self._rabbitmq_pid, STATISTICS_SECONDS, "RabbitMQ tells its process id"))
        found = {
            RABBITMQ: process_tree.identify(rabbitmq) if name(rabbitmq) == "beam.smp" else None,
            POSTGRESQL: process_tree.identify(postmaster) if postmaster else None,
        }
        return Groups({group: root for group, root in found.items() if root is not None})

    def _rabbitmq_pid(self) -> str:
        (node,) = self.rabbitmq.management.request("GET", "nodes")
        found: str = node.get("os_pid", "")
        return found


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Start both servers, or use those that the environment names; end what was started."""
    with tempfile.TemporaryDirectory(prefix="interapp-bench-") as folder, ExitStack() as stack:
        yield Servers(
            stack.enter_context(shared_rabbitmq(Path(folder))), stack.enter_context(shared_postgresql(Path(folder)))
        )

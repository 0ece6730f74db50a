"""The run's own RabbitMQ and PostgreSQL, as the tests get theirs."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender import Contender
from servers.postgresql import PostgreSQLAddress
from servers.provision import shared_postgresql, shared_rabbitmq
from servers.rabbitmq import RabbitMQAddress


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers; each measurement gets a virtual host and a database of its own."""

    rabbitmq: RabbitMQAddress
    postgresql: PostgreSQLAddress

    @contextmanager
    def fresh(self, contender: Contender) -> Iterator[tuple[str, str]]:
        """Yield the addresses of an empty virtual host and an empty database."""
        with ExitStack() as stack:
            amqp_url = stack.enter_context(self.rabbitmq.fresh_vhost())
            if contender.database == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="interapp-bench-"))
                yield amqp_url, f"sqlite:///{folder}/bench.db"
            else:
                yield amqp_url, stack.enter_context(self.postgresql.fresh_database())


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Start both servers, or use those that the environment names; end what was started."""
    with tempfile.TemporaryDirectory(prefix="interapp-bench-") as folder, ExitStack() as stack:
        yield Servers(
            stack.enter_context(shared_rabbitmq(Path(folder))), stack.enter_context(shared_postgresql(Path(folder)))
        )

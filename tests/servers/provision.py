"""Where tests get RabbitMQ and PostgreSQL from: an address in the environment, a container, an installed server.

A RabbitMQ that was named by its root folder goes before all of these: the tests are to use that one and no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from servers import containers
from servers.ledger import Ledger
from servers.owned import ServerFailed
from servers.postgresql import InstalledPostgreSQL, PostgreSQLAddress, PostgreSQLServer, installed_postgresql
from servers.rabbitmq import ROOT, InstalledRabbitMQ, RabbitMQAddress, RabbitMQServer, installed_rabbitmq
from servers.shared import Address, SharedServer, Unavailable

AMQP_URL = "INTERAPP_TEST_AMQP_URL"
MANAGEMENT_URL = "INTERAPP_TEST_MANAGEMENT_URL"
POSTGRES_URL = "INTERAPP_TEST_POSTGRES_URL"

_Container = TypeVar("_Container", bound=containers.ContainerServer)


@contextmanager
def shared_rabbitmq(folder: Path) -> Iterator[RabbitMQAddress]:
    """Give the session's RabbitMQ for all processes that know `folder`. Raises Unavailable, ServerFailed."""
    if (url := os.environ.get(AMQP_URL)) and not os.environ.get(ROOT):
        management_url = os.environ.get(MANAGEMENT_URL) or f"http://{urlsplit(url).hostname}:15672"
        address = RabbitMQAddress(url, management_url)
        if not address.answers():
            address.close()
            msg = f"{AMQP_URL} is set, but no RabbitMQ answers there or no management API at {management_url}"
            raise ServerFailed(f"{msg} ({MANAGEMENT_URL})")
        yield address
        address.close()
        return
    with SharedServer(folder, "rabbitmq").use(_start_rabbitmq) as known:
        address = RabbitMQAddress(known["url"], known["management_url"])
        yield address
        address.close()


@contextmanager
def shared_postgresql(folder: Path) -> Iterator[PostgreSQLAddress]:
    """Give the session's PostgreSQL for all processes that know `folder`. Raises Unavailable, ServerFailed."""
    if url := os.environ.get(POSTGRES_URL):
        address = PostgreSQLAddress(url)
        if not address.answers():
            msg = f"{POSTGRES_URL} is set, but no PostgreSQL answers there"
            raise ServerFailed(msg)
        yield address
        return
    with SharedServer(folder, "postgresql").use(_start_postgresql) as known:
        yield PostgreSQLAddress(known["url"])


def own_rabbitmq() -> RabbitMQServer:
    """Return a RabbitMQ for one test, not started. Raises Unavailable.

    Installed binaries come first here: signals reach them directly.
    """
    if (installation := installed_rabbitmq()) is not None:
        return InstalledRabbitMQ(installation)
    if (reason := containers.docker_engine_missing()) is None:
        return containers.ContainerRabbitMQ()
    raise _unavailable("RabbitMQ", "a test that may kill it needs its own", reason)


def own_postgresql() -> PostgreSQLServer:
    """Return a PostgreSQL for one test, not started; installed binaries first, as above. Raises Unavailable."""
    if (binaries := installed_postgresql()) is not None:
        return InstalledPostgreSQL(binaries)
    if (reason := containers.docker_engine_missing()) is None:
        return containers.ContainerPostgreSQL()
    raise _unavailable("PostgreSQL", "a test that may kill it needs its own", reason)


def _start_rabbitmq(ledger: Ledger) -> tuple[RabbitMQServer, Address]:
    container, reason = None, f"{ROOT} is set"
    if not os.environ.get(ROOT):
        container, reason = _started_container(lambda: containers.ContainerRabbitMQ(ledger))
    server: RabbitMQServer
    if container is not None:
        server = container
    elif (installation := installed_rabbitmq()) is not None:
        server = InstalledRabbitMQ(installation, ledger)
        server.start()
    else:
        raise _unavailable("RabbitMQ", f"{AMQP_URL} is not set", reason)
    return server, {"url": server.url, "management_url": server.address.management_url}


def _start_postgresql(ledger: Ledger) -> tuple[PostgreSQLServer, Address]:
    container, reason = _started_container(lambda: containers.ContainerPostgreSQL(ledger))
    server: PostgreSQLServer
    if container is not None:
        server = container
    elif (binaries := installed_postgresql()) is not None:
        server = InstalledPostgreSQL(binaries, ledger)
        server.start()
    else:
        raise _unavailable("PostgreSQL", f"{POSTGRES_URL} is not set", reason)
    return server, {"url": server.url}


def _started_container(make: Callable[[], _Container]) -> tuple[_Container | None, str]:
    """Return a started container, or None and the reason: no engine, or an engine without the image or a network."""
    if (reason := containers.docker_engine_missing()) is not None:
        return None, reason
    container = make()
    try:
        container.start()
    except ServerFailed as exc:
        container.close()
        return None, str(exc)
    return container, ""


def _unavailable(name: str, *reasons: str) -> Unavailable:
    tried = "; ".join((*reasons, f"no {name} is installed"))
    return Unavailable(f"no {name} for this test: {tried}. `make servers` installs one")

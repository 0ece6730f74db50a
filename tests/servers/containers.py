"""RabbitMQ and PostgreSQL in containers (testcontainers), where a Docker engine answers."""

from __future__ import annotations

import functools
import gc
import os
import secrets
import time
import warnings
from abc import abstractmethod
from contextlib import closing, suppress

import docker
import requests
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from servers import postgresql, rabbitmq
from servers.ledger import Ledger, own_ledger
from servers.owned import OwnedServer, ServerFailed
from servers.ports import ReservedPort
from servers.postgresql import PostgreSQLAddress, PostgreSQLServer
from servers.rabbitmq import RabbitMQAddress, RabbitMQServer

with warnings.catch_warnings():
    # testcontainers decorates its own RabbitMqContainer with what it has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.rabbitmq import RabbitMqContainer
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

# our own reaper knows every container, also those that several pytest processes share, which Ryuk does not
testcontainers_config.ryuk_disabled = True

RABBITMQ_IMAGE = os.environ.get("INTERAPP_TEST_RABBITMQ_IMAGE", "rabbitmq:4.0-management")
POSTGRES_IMAGE = os.environ.get("INTERAPP_TEST_POSTGRES_IMAGE", "postgres:17")
START_TIMEOUT_S = 120.0
PING_TIMEOUT_S = 3


@functools.cache
def docker_engine_missing() -> str | None:
    """Return why no container can be started, None when a Docker engine answers a ping."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves its socket open when nobody answers
        try:
            client = docker.from_env(timeout=PING_TIMEOUT_S)
            try:
                client.ping()
            finally:
                client.close()
        except (DockerException, requests.RequestException, OSError) as exc:
            return f"no Docker engine answers ({exc})"
        finally:
            gc.collect()
    return None


def fetch(image: str) -> bool:
    """Make sure that the engine has the image; False when it cannot get it."""
    with closing(docker.from_env()) as client:
        try:
            client.images.get(image)
        except ImageNotFound:
            try:
                client.images.pull(image)
            except DockerException:
                return False
        return True


class ContainerServer(OwnedServer):
    """A server in a container with fixed ports on this machine."""

    name: str

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = own_ledger() if ledger is None else ledger
        self._container: DockerContainer | None = None
        self._running = False
        self.password = secrets.token_hex(8)

    @property
    def running(self) -> bool:
        return self._running

    def start(self) -> None:
        if self._running:
            return
        if self._container is None:
            self._create()
        else:
            self._wrapped.start()
        self._running = True
        self._wait_until_it_answers()

    def stop(self) -> None:
        if self._running:
            self._wrapped.stop(timeout=30)
            self._running = False

    def kill(self) -> None:
        if self._running:
            self._wrapped.kill()
            self._running = False

    def pause(self) -> None:
        self._wrapped.pause()

    def resume(self) -> None:
        self._wrapped.unpause()

    def wipe(self) -> None:
        if self._running:
            msg = f"wipe {self.name}'s data while it is stopped"
            raise RuntimeError(msg)
        self._remove()

    def close(self) -> None:
        self._running = False
        self._remove()

    @abstractmethod
    def _new_container(self) -> DockerContainer:
        """Return a container that is not started."""

    @abstractmethod
    def _locate(self, host: str) -> None:
        """Note where the server in the started container is reached."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server can be used."""

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline:
                msg = f"{self.name} in a container did not answer in {START_TIMEOUT_S} s"
                raise ServerFailed(msg)
            time.sleep(0.1)

    def _create(self) -> None:
        self._container = container = self._new_container()
        try:
            container.start()
            self._ledger.add_container(container.get_container_id())
            self._locate(container.get_container_host_ip())
        except Exception as exc:  # the library names none: no image, no network, no such feature of the engine
            self._remove()
            msg = f"no {self.name} container: {exc}"
            raise ServerFailed(msg) from exc

    def _remove(self) -> None:
        """Remove the container with its volume; the next start makes a new one."""
        if self._container is not None:
            with suppress(NotFound):
                self._container.stop()
        self._container = None

    def _port_of(self, container_port: int) -> int:
        if self._container is None:
            msg = f"{self.name}'s container is not started"
            raise RuntimeError(msg)
        return self._container.get_exposed_port(container_port)

    @property
    def _wrapped(self) -> Container:
        if self._container is None:
            msg = f"{self.name}'s container is not started"
            raise RuntimeError(msg)
        return self._container.get_wrapped_container()


class ContainerRabbitMQ(ContainerServer, RabbitMQServer):
    """A RabbitMQ with the management plugin in a container; it has an address once it is started."""

    name = "RabbitMQ"

    def __init__(self, ledger: Ledger | None = None) -> None:
        super().__init__(ledger)
        self._ports = {container_port: ReservedPort() for container_port in (5672, 15672)}

    def close(self) -> None:
        if "address" in self.__dict__:
            self.address.close()
        super().close()
        for port in self._ports.values():
            port.release()

    def rabbitmqctl(self, *args: str) -> str:
        code, output = self._wrapped.exec_run(["rabbitmqctl", *args])
        if code:
            msg = f"rabbitmqctl {' '.join(args)} failed:\n{output.decode(errors='replace')}"
            raise ServerFailed(msg)
        return str(output.decode())

    def _new_container(self) -> DockerContainer:
        # a fixed host name: RabbitMQ names its node, and so its data, after it
        container = RabbitMqContainer(
            RABBITMQ_IMAGE, username=rabbitmq.USER, password=self.password, vhost=rabbitmq.VHOST, hostname="interapp"
        )
        for container_port, port in self._ports.items():
            container.with_bind_ports(container_port, port.number)
        return container

    def _locate(self, host: str) -> None:
        amqp, api = (self._port_of(container_port) for container_port in self._ports)
        self.address = RabbitMQAddress(
            f"amqp://{rabbitmq.USER}:{self.password}@{host}:{amqp}/{rabbitmq.VHOST}", f"http://{host}:{api}"
        )

    def _answers(self) -> bool:
        return self.address.answers()


class ContainerPostgreSQL(ContainerServer, PostgreSQLServer):
    """A PostgreSQL in a container; it has an address once it is started."""

    name = "PostgreSQL"

    def __init__(self, ledger: Ledger | None = None) -> None:
        super().__init__(ledger)
        self._port = ReservedPort()

    def close(self) -> None:
        super().close()
        self._port.release()

    def _new_container(self) -> DockerContainer:
        container = PostgresContainer(
            POSTGRES_IMAGE, username=postgresql.USER, password=self.password, dbname=postgresql.DATABASE
        )
        container.with_bind_ports(5432, self._port.number)
        return container

    def _locate(self, host: str) -> None:
        login = f"{postgresql.USER}:{self.password}"
        self.address = PostgreSQLAddress(f"postgresql://{login}@{host}:{self._port_of(5432)}/{postgresql.DATABASE}")

    def _answers(self) -> bool:
        return self.address.answers()

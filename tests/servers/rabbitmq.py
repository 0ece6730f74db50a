"""RabbitMQ for tests: where one can be reached, and one that a test owns."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import signal
import socket
import subprocess
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import httpx

from servers.ledger import Ledger
from servers.management import RabbitMQManagement
from servers.owned import InstalledServer, OwnedServer, ServerFailed
from servers.ports import ReservedPort

ROOT = "INTERAPP_TEST_RABBITMQ_ROOT"
"""Environment variable: the root folder of another system, whose RabbitMQ and Erlang the tests use (`tests/rabbitmq4.sh`)."""

USER = "interapp"
VHOST = "interapp"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0


class RabbitMQAddress:
    """Where a RabbitMQ answers, as an administrator who may create virtual hosts."""

    def __init__(self, url: str, management_url: str) -> None:
        """Take the AMQP address and that of the management API; user and password of the first serve for both."""
        self.url = url
        self.management_url = management_url
        self._parts = urlsplit(url)

    @property
    def host(self) -> str:
        """Host name or address."""
        return self._parts.hostname or "localhost"

    @property
    def port(self) -> int:
        """AMQP port."""
        return self._parts.port or 5672

    @property
    def user(self) -> str:
        """The administrator's name."""
        return unquote(self._parts.username or "guest")

    @property
    def password(self) -> str:
        """The administrator's password."""
        return unquote(self._parts.password or "guest")

    @functools.cached_property
    def management(self) -> RabbitMQManagement:
        """The management API."""
        return RabbitMQManagement(self.management_url, self.user, self.password)

    def url_of(self, vhost: str, user: str | None = None, password: str | None = None) -> str:
        """Return the AMQP address of a virtual host, for the administrator or another user."""
        login = f"{quote(user or self.user, safe='')}:{quote(password or self.password, safe='')}"
        return f"amqp://{login}@{self.host}:{self.port}/{quote(vhost, safe='')}"

    @contextmanager
    def fresh_vhost(self) -> Iterator[str]:
        """Create a virtual host, give its AMQP address, and delete it at the end."""
        vhost = f"test-{secrets.token_hex(4)}"
        self.management.create_vhost(vhost)
        try:
            yield self.url_of(vhost)
        finally:
            self.management.delete_vhost(vhost)

    def answers(self) -> bool:
        """Tell whether RabbitMQ accepts AMQP connections and the management API works."""
        if not amqp_answers(self.host, self.port):
            return False
        try:
            self.management.request("GET", "whoami")
        except httpx.HTTPError:
            return False
        return True

    def close(self) -> None:
        """Close connections to the management API."""
        if "management" in self.__dict__:
            self.management.close()


class RabbitMQServer(OwnedServer):
    """A RabbitMQ that one test owns."""

    address: RabbitMQAddress

    @property
    def url(self) -> str:
        """AMQP address of its virtual host `interapp`, which is there again after a wipe."""
        return self.address.url

    @property
    def management(self) -> RabbitMQManagement:
        """The management API."""
        return self.address.management

    @abstractmethod
    def rabbitmqctl(self, *args: str) -> str:
        """Run `rabbitmqctl ARGS…` on it and return the output; takes about a second."""


class RabbitMQInstallation(NamedTuple):
    """The programs of a RabbitMQ, and of the Erlang that they need, on this machine or below the root of another system.

    Another system's programs run in a chroot, where the folders of the tests must be mounted. `chroot` and `env` become
    the program that they start, so that its process id and its signals are the same on either side.
    """

    scripts: Path
    """Folder of RabbitMQ's own scripts, as they see it themselves."""
    root: Path | None = None
    """The other system's root folder."""

    def command(self, program: str, *args: str, folder: Path) -> list[str]:
        """Return what runs a program of RabbitMQ or Erlang in `folder`."""
        own = self.scripts / program
        command = [str(own) if self.within(own).exists() else program, *args]
        if self.root is None:
            return command
        return ["chroot", str(self.root), "env", f"--chdir={folder}", *command]

    def within(self, path: Path) -> Path:
        """Return where this machine sees a path of the installation."""
        return path if self.root is None else self.root / path.relative_to("/")


class InstalledRabbitMQ(InstalledServer, RabbitMQServer):
    """A RabbitMQ started from installed programs, with node name, Erlang port mapper and ports of its own."""

    name = "RabbitMQ"

    def __init__(self, installation: RabbitMQInstallation, ledger: Ledger | None = None) -> None:
        super().__init__(ledger)
        self._installation = installation
        self._amqp, self._api, self._distribution, self._mapper = self._ports = [ReservedPort() for _ in range(4)]
        self._password = secrets.token_hex(8)
        self._port_mapper: subprocess.Popen[bytes] | None = None
        self._data = self.folder / "data"
        self.address = RabbitMQAddress(
            f"amqp://{USER}:{self._password}@127.0.0.1:{self._amqp.number}/{VHOST}",
            f"http://127.0.0.1:{self._api.number}",
        )
        self._configure()

    def start(self) -> None:
        if self.running:
            return
        self._data.mkdir(exist_ok=True)
        self._start_port_mapper()
        self._launch(self._installation.command("rabbitmq-server", folder=self.folder), self._environment())
        self._wait_until(self.address.answers, START_TIMEOUT_S)

    def stop(self) -> None:
        self._stop_with(signal.SIGTERM, STOP_TIMEOUT_S)
        self._stop_port_mapper()

    def kill(self) -> None:
        super().kill()
        self._stop_port_mapper()

    def wipe(self) -> None:
        if self.running:
            msg = "wipe RabbitMQ's data while it is stopped"
            raise RuntimeError(msg)
        shutil.rmtree(self._data, ignore_errors=True)

    def close(self) -> None:
        self.address.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        for port in self._ports:
            port.release()

    def rabbitmqctl(self, *args: str) -> str:
        command = self._installation.command("rabbitmqctl", *args, folder=self.folder)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        if done.returncode:
            msg = f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
            raise ServerFailed(msg)
        return done.stdout

    def _configure(self) -> None:
        """Write the configuration: reachable from this machine only, with counts that are at most half a second old."""
        settings = {
            "loopback_users": "none",
            "default_user": USER,
            "default_pass": self._password,
            "default_vhost": VHOST,
            "default_user_tags.administrator": "true",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self._api.number,
            "collect_statistics_interval": 500,
            "disk_free_limit.absolute": "64MB",
            "vm_memory_high_watermark.absolute": "1GB",
        }
        lines = (f"{key} = {value}\n" for key, value in settings.items())
        (self.folder / "rabbitmq.conf").write_text("".join(lines), encoding="utf-8")
        # quorum queues report their counts at this pace, and there is no setting of the other format for it
        (self.folder / "advanced.config").write_text("[{rabbit, [{quorum_tick_interval, 500}]}].\n", encoding="utf-8")
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n", encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        # two schedulers that sleep when idle: several servers share the machine with the tests
        erlang = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder),  # of the Erlang cookie
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper.number),
            "RABBITMQ_NODENAME": f"{folder.name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._amqp.number),
            "RABBITMQ_DIST_PORT": str(self._distribution.number),
            "RABBITMQ_MNESIA_BASE": str(self._data),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),  # not the machine's
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": erlang,
        }

    def _start_port_mapper(self) -> None:
        """Start Erlang's port mapper ourselves: left to RabbitMQ, it becomes a daemon that outlives everything."""
        if self._port_mapper is not None and self._port_mapper.poll() is None:
            return
        arguments = ["-port", str(self._mapper.number), "-address", "127.0.0.1"]
        self._port_mapper = subprocess.Popen(
            self._installation.command("epmd", *arguments, folder=self.folder),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.ledger.add_process(self._port_mapper.pid)

    def _stop_port_mapper(self) -> None:
        if self._port_mapper is not None:
            self._port_mapper.kill()
            self._port_mapper.wait()
            self._port_mapper = None


def amqp_answers(host: str, port: int) -> bool:
    """Tell whether the first step of the AMQP 0-9-1 handshake succeeds: an open port alone proves nothing."""
    try:
        with socket.create_connection((host, port), timeout=2.0) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            answer = connection.recv(1)
    except OSError:
        return False
    return answer == b"\x01"  # a method frame, Connection.Start


def installed_rabbitmq() -> RabbitMQInstallation | None:
    """Return the RabbitMQ below INTERAPP_TEST_RABBITMQ_ROOT, else this machine's; None where none is installed.

    Not Debian's wrapper in /usr/sbin, which insists on the user `rabbitmq` and on the machine's own configuration.
    Raises ServerFailed when the variable names a folder without RabbitMQ.
    """
    scripts = Path("/usr/lib/rabbitmq/bin")
    if root := os.environ.get(ROOT):
        other = RabbitMQInstallation(scripts, Path(root).resolve())
        if os.access(other.within(scripts / "rabbitmq-server"), os.X_OK):
            return other
        raise ServerFailed(f"{ROOT} is {root}, but no RabbitMQ is installed below it: tests/rabbitmq4.sh makes one")
    folders = [scripts, *sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))]
    if on_path := shutil.which("rabbitmq-server"):
        folders.append(Path(on_path).resolve().parent)
    usable = (RabbitMQInstallation(folder) for folder in folders if os.access(folder / "rabbitmq-server", os.X_OK))
    return next(usable, None) if shutil.which("epmd") else None

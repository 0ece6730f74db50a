"""PostgreSQL for tests: where one can be reached, and one that a test owns."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from servers.ledger import Ledger
from servers.owned import InstalledServer, OwnedServer, ServerFailed
from servers.ports import ReservedPort

USER = "interapp"
DATABASE = "interapp"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_VERSION = re.compile(r"(?:pgsql-)?(\d+)")


class PostgreSQLAddress:
    """Where a PostgreSQL answers, as a user who may create databases."""

    def __init__(self, url: str) -> None:
        """Take the address of a database that is there."""
        self.url = url

    def url_of(self, database: str) -> str:
        """Return the address of another database of the same server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    @contextmanager
    def fresh_database(self, template: str = "template0") -> Iterator[str]:
        """Create an empty database, or a copy of one, give its address, and drop it at the end whoever is still connected."""
        name = f"test_{secrets.token_hex(4)}"
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(make.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self.url_of(name)
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def answers(self) -> bool:
        """Tell whether PostgreSQL accepts connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)


class PostgreSQLServer(OwnedServer):
    """A PostgreSQL that one test owns."""

    address: PostgreSQLAddress

    @property
    def url(self) -> str:
        """Address of its database `interapp`, which is there again, and empty, after a wipe."""
        return self.address.url


class InstalledPostgreSQL(InstalledServer, PostgreSQLServer):
    """A PostgreSQL started from the machine's binaries; as user `postgres` when we are root, whom it refuses."""

    name = "PostgreSQL"
    gentle_end = signal.SIGQUIT  # "immediate": no checkpoint, and no shared memory left behind

    def __init__(self, binaries: Path, ledger: Ledger | None = None) -> None:
        super().__init__(ledger)
        self._binaries = binaries
        self._user = server_user()
        self._port = ReservedPort()
        self._password = secrets.token_hex(8)
        self._data = self.folder / "data"
        self.address = PostgreSQLAddress(
            f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port.number}/{DATABASE}"
        )
        password_file = self.folder / "password"
        password_file.write_text(self._password, encoding="ascii")
        if self._user is not None:
            shutil.chown(self.folder, self._user)
            shutil.chown(password_file, self._user)

    def start(self) -> None:
        if self.running:
            return
        fresh = not self._data.exists()
        if fresh:
            self._initialise()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port.number,
            "unix_socket_directories": self.folder,
            "max_connections": 300,
            # in the data folder, so that a killed server leaves nothing in /dev/shm
            "dynamic_shared_memory_type": "mmap",
        }
        arguments = [text for key, value in settings.items() for text in ("-c", f"{key}={value}")]
        self._launch([str(self._binaries / "postgres"), "-D", str(self._data), *arguments], self._environment())
        maintenance = PostgreSQLAddress(self.address.url_of("postgres"))
        self._wait_until(maintenance.answers, START_TIMEOUT_S)
        if fresh:
            with psycopg.connect(maintenance.url, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def stop(self) -> None:
        self._stop_with(signal.SIGINT, STOP_TIMEOUT_S)  # "fast": open connections are closed

    def kill(self) -> None:
        super().kill()
        self._free_shared_memory()

    def wipe(self) -> None:
        if self.running:
            msg = "wipe PostgreSQL's data while it is stopped"
            raise RuntimeError(msg)
        shutil.rmtree(self._data, ignore_errors=True)

    def close(self) -> None:
        self._stop_with(self.gentle_end, 5.0)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._port.release()

    def _parent_folder(self) -> str | None:
        return None if server_user() is None else _folder_for_other_users()

    def _launch(self, command: list[str], env: dict[str, str], user: str | None = None) -> None:
        super()._launch(command, env, user or self._user)

    def _initialise(self) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", USER, "-A", "scram-sha-256"]
        # --no-sync is for this command alone: the server itself keeps fsync on, promises depend on it
        command += ["--pwfile", str(self.folder / "password"), "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        if done.returncode:
            msg = f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
            raise ServerFailed(msg)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": str(self.folder)}

    def _free_shared_memory(self) -> None:
        """Remove the small System V segment that a killed server leaves, named in line 7 of its pid file."""
        pid_file = self._data / "postmaster.pid"
        lines = pid_file.read_text(encoding="utf-8").splitlines() if pid_file.exists() else []
        if len(lines) >= 7 and (remover := shutil.which("ipcrm")):
            segment = lines[6].split()[1]
            subprocess.run([remover, "-m", segment], check=False, capture_output=True)


def server_user() -> str | None:
    """Return the user that a server of ours must run as; None for ourselves."""
    return "postgres" if os.geteuid() == 0 else None


def installed_postgresql() -> Path | None:
    """Return the folder of the newest installed PostgreSQL's binaries, None where none is installed.

    A `postgres` on the PATH comes last: distributions put only wrappers there.
    """
    folders = [folder / "bin" for pattern in ("/usr/lib/postgresql", "/usr") for folder in _versions(Path(pattern))]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    complete = (
        folder for folder in folders if all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))
    )
    if os.geteuid() == 0 and not _user_exists("postgres"):
        return None
    return next(complete, None)


def _versions(parent: Path) -> list[Path]:
    """Return `parent/15` and `parent/pgsql-15` alike, newest first."""
    versions = {int(match[1]): folder for folder in parent.glob("*") if (match := _VERSION.fullmatch(folder.name))}
    return [versions[number] for number in sorted(versions, reverse=True)]


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _folder_for_other_users() -> str:
    """Return a temporary folder that another user may enter, which root's TMPDIR need not be."""
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = Path(candidate).resolve()
        if all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents)):
            return str(path)
    return tempfile.gettempdir()

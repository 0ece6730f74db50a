"""Makes sure that tests can have RabbitMQ and PostgreSQL: `python -m servers.prepare`, run by `make servers`.

Where a Docker engine answers, it fetches the images, so that no test's time is spent on it. Where there is neither an
engine nor an installed server nor an address in the environment, root installs Debian's packages; they are not left
running, since tests start servers of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from servers import containers
from servers.postgresql import installed_postgresql
from servers.provision import AMQP_URL, POSTGRES_URL
from servers.rabbitmq import installed_rabbitmq

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before it starts a service; exit code 101 forbids it."""


class Need(NamedTuple):
    """A server that tests need, and every way to get it."""

    name: str
    setting: str
    image: str
    installed: Callable[[], object | None]
    package: str


NEEDS = (
    Need("RabbitMQ", AMQP_URL, containers.RABBITMQ_IMAGE, installed_rabbitmq, "rabbitmq-server"),
    Need("PostgreSQL", POSTGRES_URL, containers.POSTGRES_IMAGE, installed_postgresql, "postgresql"),
)


def main() -> int:
    """Provide what is missing; 0 also when nothing can be done, since the tests say themselves what they lack."""
    needs = [need for need in NEEDS if not os.environ.get(need.setting)]
    if containers.docker_engine_missing() is None:
        needs = [need for need in needs if not containers.fetch(need.image)]
    missing = [need for need in needs if need.installed() is None]
    if not missing:
        return 0
    names, packages = " and ".join(need.name for need in missing), [need.package for need in missing]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {' and '.join(packages)} with apt-get: the tests need {names}", file=sys.stderr)
        with _no_service_starts():
            _apt_get("update")
            _apt_get("install", "--yes", "--no-install-recommends", *packages)
        return 0
    settings = " and ".join(need.setting for need in missing)
    print(
        f"no {names} for the tests: start Docker, install {' and '.join(packages)}, or set {settings}", file=sys.stderr
    )
    return 0


def _apt_get(*args: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", *args], env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep Debian from starting what it installs, and put everything back as it was."""
    before = POLICY.read_bytes() if POLICY.exists() else None
    mode = POLICY.stat().st_mode if before is not None else 0o755
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink()
        else:
            POLICY.write_bytes(before)
            POLICY.chmod(mode)


if __name__ == "__main__":
    sys.exit(main())

"""Tells which RabbitMQ the tests would start: `python -m servers.version 4` starts one and fails unless it is a 4.x."""

from __future__ import annotations

import sys

from servers import provision
from servers.owned import ServerFailed
from servers.shared import Unavailable


def main(wanted: str) -> int:
    """Print the version that the running server itself reports; 1 when it is another major version or does not run."""
    try:
        with provision.own_rabbitmq() as server:
            rabbitmq, erlang = server.management.versions()
    except (ServerFailed, Unavailable) as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"the tests' RabbitMQ is {rabbitmq} on Erlang {erlang}", flush=True)
    if rabbitmq.split(".", maxsplit=1)[0] != wanted:
        print(f"these tests are to run against RabbitMQ {wanted}.x, not {rabbitmq}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

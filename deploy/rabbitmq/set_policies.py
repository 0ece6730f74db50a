"""Sets the policies of `policies.json` in a virtual host by RabbitMQ's management API, then ends.

Needs nothing but Python. Takes everything from the environment, so that no password is in an argument list:
RABBITMQ_MANAGEMENT_URL, RABBITMQ_VHOST, RABBITMQ_USER, RABBITMQ_PASSWORD. The user needs the tag `policymaker` or
`administrator`. Exit codes: 0 set, 1 RabbitMQ refuses or is away for a minute, 2 a variable is missing.
"""

# ruff: noqa: INP001  a program, not part of a package

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

POLICIES = Path(__file__).with_name("policies.json")
TIMEOUT_SECONDS = 10.0
AWAY_SECONDS = float(os.environ.get("RABBITMQ_AWAY_SECONDS", "60"))
"""How long to wait for the management API: it comes up after RabbitMQ's other ports."""


def main() -> int:
    """Set every policy; return the exit code."""
    try:
        url, vhost, user, password = (
            os.environ[f"RABBITMQ_{name}"] for name in ("MANAGEMENT_URL", "VHOST", "USER", "PASSWORD")
        )
    except KeyError as exc:
        return _fail(2, f"{exc.args[0]} is not set")
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    policies: list[dict[str, Any]] = json.loads(POLICIES.read_text(encoding="utf-8"))["policies"]
    for policy in policies:
        name = policy.pop("name")
        request = urllib.request.Request(  # noqa: S310  the operator chose the URL
            f"{url.rstrip('/')}/api/policies/{quote(vhost, safe='')}/{quote(name, safe='')}",
            data=json.dumps(policy).encode(),
            headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
            method="PUT",
        )
        try:
            _send(request)
        except urllib.error.HTTPError as exc:
            answer = " ".join(exc.read().decode(errors="replace").split())
            return _fail(1, f"policy {name} as user {user}: {exc.code} {answer}")
        except (OSError, ValueError) as exc:
            return _fail(1, f"RABBITMQ_MANAGEMENT_URL={url}: {exc}")
        sys.stdout.write(f"set policy {name} in virtual host {vhost}\n")
    return 0


def _send(request: urllib.request.Request) -> None:
    """Send the request, again and again while nobody answers."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()  # noqa: S310  as above
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(1.0)
        else:
            return


def _fail(code: int, problem: str) -> int:
    sys.stderr.write(f"policies are not set: {problem}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""RabbitMQ's management HTTP API, as far as tests ask it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx


class Permissions(NamedTuple):
    """What a user may do in a virtual host: three regular expressions over names of exchanges and queues."""

    configure: str = ".*"
    write: str = ".*"
    read: str = ".*"


_NO_PERMISSIONS: Mapping[str, Permissions] = MappingProxyType({})


class RabbitMQManagement:
    """The management API under one address, as one administrator.

    Every method raises `httpx.HTTPStatusError` when RabbitMQ refuses, and `httpx.TransportError` when it is away.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self.user = user
        # no proxy and no certificates of the environment: the server is ours
        self._client = httpx.Client(
            base_url=url.rstrip("/") + "/api/",
            auth=(user, password),
            timeout=10.0,
            trust_env=False,
            transport=httpx.HTTPTransport(retries=2),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the API."""
        self._client.close()

    def request(self, method: str, *path: str, json: object = None) -> Any:
        """Ask for `/api/<path…>`, each part quoted; return the decoded answer, None when it is empty."""
        answer = self._client.request(method, "/".join(quote(part, safe="") for part in path), json=json)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def versions(self) -> tuple[str, str]:
        """Return the versions of RabbitMQ and of the Erlang that it runs on."""
        overview = self.request("GET", "overview")
        return overview["rabbitmq_version"], overview["erlang_version"]

    def create_vhost(self, vhost: str) -> None:
        """Create a virtual host in which the administrator may do everything."""
        self.request("PUT", "vhosts", vhost, json={})
        self.set_permissions(vhost, self.user, Permissions())

    def delete_vhost(self, vhost: str) -> None:
        """Delete a virtual host with all its queues; its connections are closed."""
        self.request("DELETE", "vhosts", vhost)

    def list_vhosts(self) -> list[str]:
        """Return the names of all virtual hosts."""
        return [vhost["name"] for vhost in self.request("GET", "vhosts")]

    def create_user(self, name: str, password: str, permissions: Mapping[str, Permissions] = _NO_PERMISSIONS) -> None:
        """Create a user, or set its password; `permissions` by virtual host."""
        self.request("PUT", "users", name, json={"password": password, "tags": ""})
        for vhost, allowed in permissions.items():
            self.set_permissions(vhost, name, allowed)

    def delete_user(self, name: str) -> None:
        """Delete a user; its connections are closed."""
        self.request("DELETE", "users", name)

    def set_permissions(self, vhost: str, user: str, permissions: Permissions) -> None:
        """Say what the user may do in the virtual host."""
        self.request("PUT", "permissions", vhost, user, json=permissions._asdict())

    def list_queues(self, vhost: str) -> list[dict[str, Any]]:
        """Return the queues of a virtual host; the counts in them are up to a second old."""
        queues: list[dict[str, Any]] = self.request("GET", "queues", vhost)
        return queues

    def list_connections(self, vhost: str | None = None) -> list[dict[str, Any]]:
        """Return the open connections, of one virtual host or of all."""
        path = ("connections",) if vhost is None else ("vhosts", vhost, "connections")
        connections: list[dict[str, Any]] = self.request("GET", *path)
        return connections

    def close_connection(self, name: str) -> None:
        """Close a connection from RabbitMQ's side."""
        self.request("DELETE", "connections", name)

    def delete_queue(self, vhost: str, queue: str) -> None:
        """Delete a queue with its messages."""
        self.request("DELETE", "queues", vhost, queue)

    def purge_queue(self, vhost: str, queue: str) -> None:
        """Delete the messages of a queue that are not with a consumer."""
        self.request("DELETE", "queues", vhost, queue, "contents")

    def set_policy(self, vhost: str, name: str, pattern: str, definition: Mapping[str, object], apply_to: str) -> None:
        """Set a policy on the exchanges or queues (`apply_to`) whose name matches the pattern."""
        policy = {"pattern": pattern, "definition": dict(definition), "apply-to": apply_to}
        self.request("PUT", "policies", vhost, name, json=policy)

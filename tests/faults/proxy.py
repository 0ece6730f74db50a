"""A TCP proxy between a service and its server that freezes, cuts, or loses one answer of the server."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""PostgreSQL's CommandComplete for a COMMIT."""

PREPARED = re.compile(rb"(_pg3_\d+)\x00([^\x00]*)\x00")
"""PostgreSQL's driver prepares a statement: a name and a text. Later it goes by its name, and no text follows."""

LONGEST = 16 * 1024
"""What a statement and its name may take."""

CHUNK = 64 * 1024


@dataclass
class Loss:
    """The next answer that is not to arrive: the server acts, and nobody hears of it."""

    asked: bytes
    """What a request of the connection must have contained since its last such answer."""
    answer: bytes
    happened: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Forwards connections of 127.0.0.1 to one server; one thread per direction."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._moving = threading.Event()
        self._moving.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._loss: Loss | None = None
        threading.Thread(target=self._accept, daemon=True, name="proxy").start()

    def freeze(self) -> None:
        """Forward nothing more: connections stay open, new ones are taken, and nothing answers."""
        self._moving.clear()

    def thaw(self) -> None:
        """Go on; what was sent meanwhile arrives late."""
        self._moving.set()

    def cut(self) -> None:
        """Close every connection."""
        with self._lock:
            for each in self._sockets:
                _shut(each)

    def lose(self, asked: bytes, answer: bytes = COMMITTED) -> Loss:
        """Cut the next connection on which this was asked, in place of this answer to it; a COMMIT may be asked for later."""
        with self._lock:
            self._loss = Loss(asked, answer)
            return self._loss

    def close(self) -> None:
        """End everything."""
        _shut(self._listener)
        self._listener.close()
        self.thaw()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._sockets |= {client, server}
            link = _Link(client, server)
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=self._pump, args=(pump, link), daemon=True, name="proxy").start()

    def _pump(self, forward: object, link: _Link) -> None:
        with suppress(OSError):
            while forward(link):  # type: ignore[operator]
                pass
        _shut(link.client)
        _shut(link.server)
        with self._lock:
            link.ended += 1
            if link.ended == 2:  # nobody reads them any more
                for each in (link.client, link.server):
                    self._sockets.discard(each)
                    each.close()

    def _to_server(self, link: _Link) -> bool:
        data = link.client.recv(CHUNK)
        self._moving.wait()
        with self._lock:
            loss = self._loss
        if link.answered and link.lost is not None and link.lost.answer != COMMITTED:
            # It was answered, and otherwise: what is asked now is another thing.
            link.lost = None
        link.answered = False
        asked = link.request + data + link.named(data)
        if loss is not None and loss.asked in asked:
            link.lost = loss
        link.request = data[-200:]
        link.server.sendall(data)
        return bool(data)

    def _to_client(self, link: _Link) -> bool:
        data = link.server.recv(CHUNK)
        self._moving.wait()
        link.answered = True
        if link.lost is not None and link.lost.answer in data:
            with self._lock:
                if self._loss is link.lost:
                    self._loss = None
                    link.lost.happened.set()
                    return False
            link.lost = None
        link.client.sendall(data)
        return bool(data)


@dataclass
class _Link:
    client: socket.socket
    server: socket.socket
    request: bytes = b""
    lost: Loss | None = None
    answered: bool = True
    """Whether anything came back since something was last asked."""
    ended: int = 0
    recent: bytes = b""
    prepared: dict[bytes, bytes] = field(default_factory=dict)

    def named(self, data: bytes) -> bytes:
        """Return the texts of the statements that this asks for by their names; learn those that it prepares."""
        self.recent += data
        self.prepared |= {name: text for name, text in PREPARED.findall(self.recent) if text}
        self.recent = self.recent[-LONGEST:]
        return b"".join(self.prepared.get(name, b"") for name, text in PREPARED.findall(data) if not text)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """Give a proxy to the server of a URL, and the URL by way of it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 0)
    try:
        yield proxy, url.replace(f":{parts.port}/", f":{proxy.port}/", 1)
    finally:
        proxy.close()

"""One server for all pytest processes of a session (pytest-xdist), started by the first and ended by the last."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers import process_tree
from servers.ledger import Ledger
from servers.owned import OwnedServer

Address = dict[str, str]

_started: list[OwnedServer] = []
"""Servers that others still use: subprocess warns of a running child that nobody refers to."""


class Unavailable(Exception):
    """No server can be had here; the text says what was tried."""


class SharedServer:
    """A server in a folder that all pytest processes of a session know.

    The state is a file with the address and the processes that use it, changed under a file lock. A process that died
    without leaving does not count; when all have died, the reaper of the ledger ends the server.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._state = folder / f"{name}.json"
        self._server: OwnedServer | None = None

    @contextmanager
    def use(self, start: Callable[[Ledger], tuple[OwnedServer, Address]]) -> Iterator[Address]:
        """Give the server's address, started by whoever asks first; raises Unavailable to all when it cannot be.

        Leaving the block as the last user ends the server.
        """
        with self._locked():
            ledger, address = self._join(start)
        try:
            yield address
        finally:
            with self._locked():
                self._leave(ledger)
            ledger.close()

    def _join(self, start: Callable[[Ledger], tuple[OwnedServer, Address]]) -> tuple[Ledger, Address]:
        state = self._read()
        if "unavailable" in state:
            raise Unavailable(state["unavailable"])
        if users := _others(state):
            ledger = Ledger(Path(state["ledger"]))
        else:
            ledger = Ledger(self._folder / f"{self._name}-{secrets.token_hex(4)}.ledger")
            ledger.watch()
            try:
                self._server, state["address"] = start(ledger)
            except Unavailable as exc:
                self._write({"unavailable": str(exc)})
                ledger.close()
                raise
            except BaseException:
                ledger.close()  # which lets the reaper end what was half started
                raise
        self._write({"ledger": str(ledger.path), "address": state["address"], "users": [*users, _me()]})
        address: Address = state["address"]
        return ledger, address

    def _leave(self, ledger: Ledger) -> None:
        if users := _others(state := self._read()):
            self._write({**state, "users": users})
            if self._server is not None:
                _started.append(self._server)
            return
        self._state.unlink()
        if self._server is not None:
            self._server.close()
        ledger.reap()

    def _read(self) -> dict[str, Any]:
        return json.loads(self._state.read_text(encoding="utf-8")) if self._state.exists() else {}

    def _write(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state), encoding="utf-8")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / f"{self._name}.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _me() -> process_tree.ProcessId:
    me = process_tree.identify(os.getpid())
    assert me is not None
    return me


def _others(state: dict[str, Any]) -> list[process_tree.ProcessId]:
    """Return the users that are alive and not this process."""
    users = [process_tree.ProcessId(*user) for user in state.get("users", [])]
    return [user for user in users if user.pid != os.getpid() and process_tree.alive(user)]

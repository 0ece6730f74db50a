"""Writes what a recorder took in, once a second at most and only when there is something. The duty of an app."""

import structlog

from broker.errors import Superseded, TableError
from broker.runtime.app import Shift
from broker.runtime.client import Client
from broker.table.database import Database
from lantime.contract import HTTP_SESSION_SETTINGS, HTTP_SESSIONS, HttpSessionChunk, HttpSessionSettings
from lantime.contract.http_sessions import SETTINGS
from lantime.http_sessions.kept import KeptSessions, read_kept
from lantime.http_sessions.recorder import Recorder
from lantime.http_sessions.ring import Ring, RingChange, key_of, opened
from lantime.http_sessions.session import session_of

log = structlog.get_logger("interapp.http_sessions")

WRITE_SECONDS = 1.0
"""Pause between two writes: what a process that is killed took in meanwhile is lost."""


class Keeper:
    """Keeps the HTTP sessions of one app. Only the active worker writes; what it could not write is dropped with its lease."""

    def __init__(self, app: str, recorder: Recorder, database: Database) -> None:
        self._app = app
        self._recorder = recorder
        self._database = database
        self._ring: Ring | None = None
        self._maximum = 0
        self._told: set[str] = set()

    def keep(self, shift: Shift) -> None:
        """Load the settings, then write until the shift ends. Raises Superseded."""
        self._ring = None
        ended = False
        try:
            while True:
                try:
                    self._write(shift.client)
                except Superseded:
                    if not ended:
                        raise
                    # Too late for the last of it: a worker that stops may be done before us.
                except TableError as exc:
                    # Said by whoever beats; as much as the maximum is held meanwhile.
                    log.debug("cannot keep HTTP sessions yet", app=self._app, error=str(exc))
                if ended:
                    return
                ended = shift.wait(WRITE_SECONDS)
        finally:
            self._recorder.take()

    def _write(self, client: Client) -> None:
        settings = self._recorder.settings
        if self._ring is None or settings.maximum < self._maximum:
            self._ring, settings = self._open(client)
        self._maximum = settings.maximum
        fresh = self._recorder.take()
        ring, change = self._ring.added([session_of(each) for each in fresh], settings.maximum)
        try:
            self._commit(client, change)
        except TableError:
            self._recorder.give_back(fresh)
            raise
        self._ring = ring

    def _open(self, client: Client) -> tuple[Ring, HttpSessionSettings]:
        """Read what is kept, let its settings hold, drop what is above the maximum; return the settings by which it was done."""
        found = read_kept(self._database, self._app)
        kept = found[0] if found else None
        if kept is not None and kept.known:
            self._recorder.use(kept.settings)
        else:
            self._keep_settings(client)
        settings = self._recorder.settings
        if kept is None:
            return Ring(), settings
        self._tell(kept)
        ring, change = opened(kept.chunks, settings.maximum)
        self._commit(client, change)
        return ring, settings

    def _keep_settings(self, client: Client) -> None:
        """Keep the settings for the first time: an app that has some is known to talk to a device."""
        while True:
            settings = self._recorder.settings
            with client.transaction() as tx:
                tx.documents.put(HTTP_SESSION_SETTINGS, SETTINGS, settings)
            # Set by a handler meanwhile, whose commit may have come before ours.
            if settings is self._recorder.settings:
                return

    def _commit(self, client: Client, change: RingChange) -> None:
        if not change:
            return
        with client.transaction() as tx:
            for number, sessions in change.puts.items():
                tx.documents.put(HTTP_SESSIONS, key_of(number), HttpSessionChunk(sessions=sessions))
            for number in change.deletes:
                tx.documents.delete(HTTP_SESSIONS, key_of(number))

    def _tell(self, kept: KeptSessions) -> None:
        for problem in set(kept.problems) - self._told:
            log.warning("HTTP sessions cannot be read", app=self._app, problem=problem)
        self._told |= set(kept.problems)

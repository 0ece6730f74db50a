"""Runs an app's duty while its worker is the active one."""

import threading

import structlog

from broker.errors import InterAppError, Superseded
from broker.runtime.app import Duty
from broker.runtime.client import Client
from broker.runtime.tenure import Tenure

log = structlog.get_logger("interapp.duty")

AGAIN_SECONDS = 5.0
"""Pause before a duty that ended, with an error or without, is begun again."""


class OwnShift:
    """What the duty sees: its client, and when to end."""

    def __init__(self, client: Client, tenure: Tenure) -> None:
        self.client = client
        self._tenure = tenure

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until the duty must end; return whether it must end."""
        return self._tenure.wait_active(active=False, seconds=seconds)


class DutyRunner:
    """One thread for one duty: begins it when the worker becomes active; the duty ends when it is not any more."""

    def __init__(self, app: str, duty: Duty, client: Client, tenure: Tenure) -> None:
        self._app = app
        self._duty = duty
        self._client = client
        self._tenure = tenure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"duty {app}", daemon=True)

    def start(self) -> None:
        """Begin to wait for the worker to be active."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no duty any more; the present one ends with the worker's activity."""
        self._stopping.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait until the duty has ended."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # A worker that stops is never active again; looking up now and then notices that too.
            if not self._tenure.wait_active(active=True, seconds=1.0):
                continue
            try:
                self._duty(OwnShift(self._client, self._tenure))
            except Superseded:
                log.info("another worker has the duty now", app=self._app)
            except InterAppError as exc:
                log.warning("the duty failed; beginning again", app=self._app, error=str(exc))
            except Exception:
                # A defect in a duty must not end it in silence.
                log.exception("the duty broke; beginning again", app=self._app)
            self._tenure.wait_active(active=False, seconds=AGAIN_SECONDS)

"""Runs services in one process: starts them in order, waits for a signal, stops them in reverse order."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from threading import Thread
from types import FrameType
from typing import Any, Protocol

import structlog

from broker.errors import TableUnavailable
from broker.lifecycle.clock import SystemClock
from broker.observe.health import Check
from broker.observe.logs import configure_logs
from broker.observe.metrics import Metrics
from broker.runtime.host import Host
from broker.runtime.middleware.handled_log import HandledLog
from broker.runtime.middleware.loading import load_middleware
from broker.runtime.middleware.metering import Metering
from broker.runtime.middleware.middleware import Middleware
from broker.runtime.middleware.tracing import Tracing
from broker.runtime.registries import load_extensions
from broker.settings import InterAppSettings, redacted

log = structlog.get_logger("interapp.process")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

AGAIN_SECONDS = 1.0
AGAIN_CEILING_SECONDS = 15.0
"""Pauses between two tries to start a service while the database is away."""

Stopping = Future[signal.Signals]
"""Done as soon as the process is asked to stop."""


class Service(Protocol):
    """Some apps that belong together, e.g. the parent of one chassis."""

    def start(self, host: Host) -> None:
        """Add the apps to the started host; return when they run. Called again after it raised TableUnavailable."""
        ...

    def stop(self) -> None:
        """End what does not belong to the host; the host itself ends the apps afterwards."""
        ...


def run_services(
    settings: InterAppSettings,
    build: Sequence[Callable[[], Service]],
    *,
    ready: Callable[[Host], None] | None = None,
) -> int:
    """Run services until SIGTERM or SIGINT, or until only a restart helps (exit code 1). For the main thread.

    ``build`` makes the services before anything starts, so that a setting that can never be right ends the process at
    once: raises SettingError, and InterAppError when a package's handlers or middleware cannot be used. ``ready`` is
    called once when all of them run. A second signal ends the process at once, with exit code 1.
    """
    configure_logs(settings.log_format, settings.log_level)
    services = [make() for make in build]
    metrics = Metrics()
    extensions, middleware = load_extensions(settings.plugins), _middleware(settings, metrics)
    host = Host(settings, SystemClock(), extensions=extensions, middleware=middleware)
    host.health.add("services", lambda: Check(ok=False, detail="starting"))
    with stop_signal() as stopping, ExitStack() as undo:
        if settings.http_port is not None:
            # Only a process with INTERAPP_HTTP_PORT set needs a web server.
            from broker.observe.http import HealthServer  # noqa: PLC0415

            # First up and last down: it says why the rest is not there.
            server = HealthServer(host.health, settings.http_host, settings.http_port, metrics)
            server.start()
            undo.callback(server.stop)
        stopping_host = undo.enter_context(ExitStack())
        stopping_host.callback(host.stop)
        if _open(host, stopping, stopping_host.close):
            for service in services:
                if not _start(service, host, stopping):
                    break
                undo.callback(_stop, service)
        if not stopping.done():
            host.health.remove("services")
            log.info(
                "ready",
                apps=", ".join(host.apps()),
                broker=redacted(settings.broker_url),
                database=host.database.shown_url,
                health=f"http://{settings.http_host}:{settings.http_port}/readyz" if settings.http_port else "no HTTP",
            )
            if ready is not None:
                ready(host)
        ends: list[Future[Any]] = [stopping, host.failed]
        wait(ends, return_when=FIRST_COMPLETED)
        if host.failed.done():
            log.error("giving up: only a restart helps", reason=host.failed.result())
        else:
            log.info("stopping", signal=stopping.result().name)
        host.health.add("services", lambda: Check(ok=False, detail="stopping"))
    log.info("stopped")
    return 1 if host.failed.done() else 0


def _middleware(settings: InterAppSettings, metrics: Metrics) -> list[Middleware]:
    """Return our own, as far as somebody looks at what it does, and that of installed packages."""
    chosen: list[Middleware] = [Tracing()]
    if settings.http_port is not None:
        chosen.append(Metering(metrics))
    if settings.log_level == "debug":
        chosen.append(HandledLog())
    return [*chosen, *load_middleware()]


@contextmanager
def stop_signal() -> Iterator[Stopping]:
    """Yield what is done once SIGTERM or SIGINT came; a second one ends the process at once."""
    stopping = Stopping()
    sleeper, waker = socket.socketpair()
    waker.setblocking(False)
    watcher = Thread(target=_watch, args=(sleeper, stopping), name="signals", daemon=True)
    # The interpreter writes the signal's number to the socket even while the main thread is inside a slow C call.
    before_fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    before = {each: signal.signal(each, _leave_to_watcher) for each in STOP_SIGNALS}
    watcher.start()
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(before_fd)
        waker.close()
        watcher.join()
        sleeper.close()


def _leave_to_watcher(_number: int, _frame: FrameType | None) -> None:
    """Stand in for the default action, which would end the process."""


def _watch(sleeper: socket.socket, stopping: Stopping) -> None:
    while received := sleeper.recv(1):
        if received[0] not in STOP_SIGNALS:
            continue
        if stopping.done():
            os._exit(1)
        stopping.set_result(signal.Signals(received[0]))


def _open(host: Host, stopping: Stopping, stop_host: Callable[[], None]) -> bool:
    """Start the host; return False when the process was asked to stop meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="opening") as pool:
        opening = pool.submit(host.start)
        events: list[Future[Any]] = [opening, stopping]
        wait(events, return_when=FIRST_COMPLETED)
        if stopping.done():
            # Ends the wait for the database.
            stop_host()
        opening.result()
    return not stopping.done()


def _start(service: Service, host: Host, stopping: Stopping) -> bool:
    """Start a service; return False when the process was asked to stop meanwhile."""
    pause = AGAIN_SECONDS
    trouble = ""
    while not stopping.done():
        try:
            service.start(host)
        except TableUnavailable as exc:
            if trouble != str(exc):
                log.warning("a service waits for the table", service=type(service).__name__, error=str(exc))
            trouble = str(exc)
            wait([stopping], timeout=pause)
            pause = min(AGAIN_CEILING_SECONDS, pause * 2)
        else:
            if trouble:
                log.info("the table answers", database=host.database.shown_url)
            return True
    return False


def _stop(service: Service) -> None:
    try:
        service.stop()
    except Exception:
        # The others must still stop in good order.
        log.exception("a service did not stop in good order", service=type(service).__name__)

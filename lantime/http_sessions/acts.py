"""What ``interapp http-sessions`` does."""

import sys

from broker.cli.listing import open_database, open_listing, print_json, print_rows
from broker.errors import NotFound
from broker.lifecycle.address import is_address
from broker.lifecycle.clock import SystemClock
from broker.observe.printable import printable
from broker.settings import InterAppSettings
from broker.table.documents import find_documents
from lantime.contract import HTTP_SESSION_SETTINGS, SetHttpSessions
from lantime.http_sessions.kept import read_kept
from lantime.http_sessions.listing import TITLES, Asked, selected, session_cells, session_line
from lantime.http_sessions.switching import switch
from lantime.http_sessions.watching import watch


def list_sessions(asked: Asked, *, limit: int, watching: bool, as_json: bool) -> int:
    """Print the sessions that are asked for, or those that come. Raises TableUnavailable, TableError."""
    if watching:
        with open_database() as database:
            watch(database, asked, as_json=as_json)
        return 0
    with open_listing() as database:
        kept = [] if database is None else [each for each in read_kept(database) if asked.app(each.app)]
    sessions = selected(kept, asked, limit)
    if as_json:
        print_json(session_line(app, session) for app, session in sessions)
    else:
        now_us = SystemClock().now_us()
        print_rows(TITLES, [[session_cells(app, session, now_us) for app, session in sessions]])
    for each in kept:
        for problem in each.problems:
            _say(problem)
        if not each.settings.enabled and not as_json:
            _say(f"{each.app} records no HTTP sessions: interapp http-sessions --enable --app {each.app}")
    return 0


def set_recording(
    asked: Asked,
    *,
    enabled: bool | None,
    maximum: int | None,
    wait_seconds: float,
    as_json: bool,
) -> int:
    """Send the settings to the apps that are asked for, print what became of it; return 0 when all have set it.

    Raises NotFound when there is no such app, TableUnavailable.
    """
    apps = _apps(asked)
    command = SetHttpSessions(enabled=enabled, maximum=maximum)
    found = switch(apps, command, settings=InterAppSettings.load(), clock=SystemClock(), wait_seconds=wait_seconds)
    if as_json:
        print_json(each.line() for each in found)
    for each in found:
        if each.in_force is None:
            _say(each.text())
        elif not as_json:
            sys.stdout.write(f"{each.text()}\n")
    return 0 if all(each.in_force is not None for each in found) else 1


def _apps(asked: Asked) -> list[str]:
    """Return the known apps that are asked for, and whoever is named: what is sent to it waits for it."""
    with open_listing() as database:
        known = [] if database is None else [each.app for each in find_documents(database, HTTP_SESSION_SETTINGS)]
    apps = {app for app in known if asked.app(app)} | {name for name in asked.apps if is_address(name)}
    if not apps:
        wanted = f" like {', '.join(asked.apps)}" if asked.apps else ""
        raise NotFound(f"no app{wanted} that talks to a device is known yet; start its service, or name one with --app")
    return sorted(apps)


def _say(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")

"""``interapp http-sessions --watch``: one line for every session that is kept from now on."""

import sys
from collections.abc import Callable, Iterator
from threading import Event

from broker.cli.listing import is_there, print_json
from broker.errors import TableUnavailable
from broker.table.database import Database
from lantime.contract import HttpSession
from lantime.http_sessions.kept import KeptSessions, read_kept
from lantime.http_sessions.listing import Asked, session_line, session_text

LOOK_SECONDS = 1.0
"""How often is looked: services write once a second."""

Place = tuple[int, int]
"""Where a session stands among those of its app: its chunk, and its place in there. Later ones have higher ones."""


def watch(database: Database, asked: Asked, *, as_json: bool) -> None:
    """Print what is kept from now on until Ctrl-C. Raises TableError when the database is not of this program's version."""
    try:
        for app, session in follow(database, asked, Event().wait):
            if as_json:
                print_json([session_line(app, session)])
            else:
                sys.stdout.write(f"{session_text(app, session)}\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        # The way to end it, so no failure.
        return


def follow(database: Database, asked: Asked, wait: Callable[[float], bool]) -> Iterator[tuple[str, HttpSession]]:
    """Yield sessions that are kept from now on, until ``wait`` says that it is time to end.

    A database that is away, or not there yet, is waited for.
    """
    seen: dict[str, Place] = {}
    first = True
    away = False
    while True:
        try:
            kept = read_kept(database) if is_there(database) else []
        except TableUnavailable as exc:
            if not away:
                sys.stderr.write(f"{exc}\n")
            away = True
        else:
            if not first:
                yield from _unseen(kept, asked, seen)
            seen |= {each.app: max(place for place, _ in _placed(each)) for each in kept if each.sessions}
            first = away = False
        if wait(LOOK_SECONDS):
            return


def _unseen(kept: list[KeptSessions], asked: Asked, seen: dict[str, Place]) -> list[tuple[str, HttpSession]]:
    found = [
        (each.app, session)
        for each in kept
        if asked.app(each.app)
        for place, session in _placed(each)
        if place > seen.get(each.app, (-1, -1)) and asked.session(session)
    ]
    return sorted(found, key=lambda pair: pair[1].requested_at)


def _placed(kept: KeptSessions) -> Iterator[tuple[Place, HttpSession]]:
    for number, chunk in kept.chunks.items():
        for index, session in enumerate(chunk or ()):
            yield (number, index), session

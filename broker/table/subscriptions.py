"""Subscriptions: which app gets which events. Rows, so that a subscriber that is down misses nothing."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.address import topic_matches
from broker.messages.catch_up import CatchUp
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.last_events import catch_up
from broker.table.schema import subscriptions


def subscribe(database: Database, app: str, patterns: Iterable[str], *, from_before: CatchUp = CatchUp.NOTHING) -> None:
    """Make these the app's subscriptions, in place of any it had; ``from_before`` is what new ones get of older events.

    Raises TableUnavailable.
    """
    wanted = set(patterns)
    with database.write() as connection:
        present = set(
            connection.execute(sa.select(subscriptions.c.pattern).where(subscriptions.c.app == app)).scalars()
        )
        for pattern in present - wanted:
            connection.execute(
                sa.delete(subscriptions).where(subscriptions.c.app == app, subscriptions.c.pattern == pattern)
            )
        for pattern in wanted - present:
            connection.execute(
                sa.text("INSERT INTO subscriptions (app, pattern) VALUES (:app, :pattern) ON CONFLICT DO NOTHING"),
                {"app": app, "pattern": pattern},
            )
        if from_before is CatchUp.LAST and wanted - present:
            catch_up(connection, app, wanted - present, present)


def subscribers(connection: Connection, events: Sequence[Envelope]) -> list[tuple[Envelope, str]]:
    """Return each event with each app that subscribed to it, in the order of the events."""
    if not events:
        return []
    rows = connection.execute(sa.select(subscriptions).order_by(subscriptions.c.app)).all()
    pairs: dict[tuple[str, str], tuple[Envelope, str]] = {}
    for event in events:
        topic = f"{event.source}.{event.kind}"
        for row in rows:
            if topic_matches(row.pattern, topic):
                pairs.setdefault((event.message_id, row.app), (event, row.app))
    return list(pairs.values())

"""Documents: what an app knows, kept beside its messages and committed with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.messages.effects import DocumentWrite
from broker.table.database import Database
from broker.table.schema import documents

PUT = sa.text(
    """
    INSERT INTO documents (app, collection, key, body, updated_us) VALUES (:app, :collection, :key, :body, :updated_us)
    ON CONFLICT (app, collection, key) DO UPDATE SET body = excluded.body, updated_us = excluded.updated_us
    """
)

COLLECTIONS = sa.select(documents.c.app, documents.c.collection, documents.c.key, documents.c.body).where(
    documents.c.app.in_(sa.bindparam("apps", expanding=True)),
    documents.c.collection.in_(sa.bindparam("collections", expanding=True)),
)

Collections = dict[str, dict[str, str]]
"""The documents of one app: JSON by collection and key."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it is kept; ``body`` is JSON."""

    app: str
    collection: str
    key: str
    body: str
    updated_us: int


class AppDocuments:
    """Reads the committed documents of one app."""

    def __init__(self, database: Database, app: str) -> None:
        self._database = database
        self._app = app

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none. Raises TableUnavailable."""
        query = sa.select(documents.c.body).where(
            documents.c.app == self._app, documents.c.collection == collection, documents.c.key == key
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON. Raises TableUnavailable."""
        return {found.key: found.body for found in find_documents(self._database, collection, app=self._app)}

    def read_ahead(self, collections: Sequence[str]) -> "ReadAhead":
        """Read all of several collections in one statement. Raises TableUnavailable."""
        return ReadAhead(self, find_collections(self._database, [self._app], collections)[self._app])


class ReadAhead:
    """The committed documents of one app, of which some collections were read at once; the others are read when asked for."""

    def __init__(self, rest: AppDocuments, found: Collections) -> None:
        self._rest = rest
        self._found = found

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none. Raises TableUnavailable."""
        found = self._found.get(collection)
        return self._rest.read(collection, key) if found is None else found.get(key)

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON. Raises TableUnavailable."""
        found = self._found.get(collection)
        return self._rest.read_all(collection) if found is None else dict(found)


def find_collections(database: Database, apps: Sequence[str], collections: Sequence[str]) -> dict[str, Collections]:
    """Return what each of these apps keeps in these collections, read in one statement. Raises TableUnavailable."""
    with database.read() as connection:
        rows = connection.execute(COLLECTIONS, {"apps": apps, "collections": collections}).all()
    found: dict[str, Collections] = {app: {collection: {} for collection in collections} for app in apps}
    for app, collection, key, body in rows:
        found[app][collection][key] = body
    return found


def find_documents(database: Database, collection: str, *, app: str | None = None) -> list[Document]:
    """Return the documents of a collection, of one app or of all, ordered by app and key. Raises TableUnavailable."""
    query = sa.select(documents).where(documents.c.collection == collection).order_by(documents.c.app, documents.c.key)
    if app is not None:
        query = query.where(documents.c.app == app)
    with database.read() as connection:
        return [Document(*row) for row in connection.execute(query)]


def write_documents(connection: Connection, app: str, writes: Sequence[DocumentWrite], now_us: int) -> None:
    """Put and delete documents within a transaction, the last write of a key winning."""
    last = {(write.collection, write.key): write for write in writes}
    puts = [
        {"app": app, "collection": write.collection, "key": write.key, "body": write.body, "updated_us": now_us}
        for write in last.values()
        if write.body is not None
    ]
    if puts:
        connection.execute(PUT, puts)
    for write in last.values():
        if write.body is None:
            connection.execute(
                sa.delete(documents).where(
                    documents.c.app == app, documents.c.collection == write.collection, documents.c.key == write.key
                )
            )

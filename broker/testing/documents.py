"""Documents in memory, for handlers that are run alone."""

from collections.abc import Iterable

from pydantic import BaseModel

from broker.messages.effects import DocumentWrite


class KeptDocuments:
    """The committed documents of one app. ``write`` commits what a run put, so that the next run finds it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def put(self, collection: str, key: str, document: BaseModel) -> None:
        """Keep a document, as an earlier run would have."""
        self._kept[(collection, key)] = document.model_dump_json()

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none."""
        return self._kept.get((collection, key))

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON."""
        return {key: body for (of, key), body in self._kept.items() if of == collection}

    def write(self, writes: Iterable[DocumentWrite]) -> None:
        """Commit what a run put and deleted."""
        for write in writes:
            if write.body is None:
                self._kept.pop((write.collection, write.key), None)
            else:
                self._kept[(write.collection, write.key)] = write.body

"""An app's documents with what outcomes wrote that are not committed yet."""

from collections.abc import Mapping

from broker.messages.effects import DocumentWrite
from broker.messages.envelope import Envelope
from broker.runtime.pending_documents import PendingDocuments, RunDocuments
from broker.runtime.running import Running
from broker.table.rows import Claimed, Lease


class Kept:
    """Documents that are committed: (collection, key) to JSON."""

    def __init__(self, documents: Mapping[tuple[str, str], str]) -> None:
        self._documents = documents

    def read(self, collection: str, key: str) -> str | None:
        """Return one of them."""
        return self._documents.get((collection, key))

    def read_all(self, collection: str) -> dict[str, str]:
        """Return those of a collection."""
        return {key: body for (of, key), body in self._documents.items() if of == collection}


def documents() -> PendingDocuments:
    """Return documents of which two of one collection are committed."""
    return PendingDocuments(Kept({("fans", "front"): "1", ("fans", "back"): "2", ("doors", "front"): "3"}))


def test_what_was_written_covers_what_is_committed() -> None:
    """A pending write is found in place of what is committed, a pending deletion as no document; the rest as it is."""
    made = documents()
    made.add(
        [DocumentWrite("fans", "front", "10"), DocumentWrite("fans", "top", "11"), DocumentWrite("fans", "back", None)]
    )
    assert made.read("fans", "front") == "10"
    assert made.read("fans", "back") is None
    assert made.read("doors", "front") == "3"
    assert made.read_all("fans") == {"front": "10", "top": "11"}
    assert made.read_all("doors") == {"front": "3"}


def test_a_commit_takes_away_only_its_own_writes() -> None:
    """What a later outcome wrote over a write that is committed now stays to be found."""
    made, first, second = documents(), DocumentWrite("fans", "front", "10"), DocumentWrite("fans", "front", "10")
    made.add([first])
    made.add([second])
    made.drop([first])
    assert made.read("fans", "front") == "10"
    made.drop([second])
    assert made.read("fans", "front") == "1"


def test_nothing_pending_is_left_when_it_is_cleared() -> None:
    """After a lost lease only what is committed is found."""
    made = documents()
    made.add([DocumentWrite("fans", "front", "10")])
    made.clear()
    assert made.read("fans", "front") == "1"


def test_a_run_is_known_to_have_read() -> None:
    """Each of the two ways to read marks the run, and finds what is pending."""
    row = Claimed(
        seq=1,
        envelope=Envelope(message_id="m", kind="test.note", body=b"", destination="a"),
        doorbell="",
        attempt=1,
        claims=1,
        generation=0,
    )
    made = documents()
    made.add([DocumentWrite("fans", "front", "10")])
    for read in (lambda of: of.read("fans", "front") == "10", lambda of: of.read_all("fans")["front"] == "10"):
        running = Running(row, Lease("app", "worker", 1), 0.0)
        assert not running.read_documents
        assert read(RunDocuments(documents=made, running=running))
        assert running.read_documents

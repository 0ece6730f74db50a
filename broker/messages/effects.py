"""What is committed together: messages to send, events to publish, documents to keep."""

from dataclasses import dataclass

from broker.messages.envelope import Envelope


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """One document to put (``body`` is JSON) or to delete (``body`` is None) for the writing app."""

    collection: str
    key: str
    body: str | None


@dataclass(frozen=True, slots=True)
class Effects:
    """What one transaction adds beside an outcome, or on its own."""

    sent: tuple[Envelope, ...] = ()
    """Messages to other apps, ids included."""
    events: tuple[Envelope, ...] = ()
    """Events, without destination; each becomes one row per subscriber."""
    documents: tuple[DocumentWrite, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to commit."""
        return bool(self.sent or self.events or self.documents)


NO_EFFECTS = Effects()
"""What most runs of handlers add."""

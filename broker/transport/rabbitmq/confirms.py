"""Which published envelopes are not confirmed yet: decisions only, no I/O."""

from collections.abc import Sequence

from broker.lifecycle.record import record
from broker.messages.envelope import Envelope
from broker.transport.seam import Settled


@record
class Sent:
    """An envelope on its way, and who wants to know how it ends."""

    envelope: Envelope
    settled: Settled


class Confirms:
    """The window of one channel: delivery tags in the order of publishing, from 1.

    RabbitMQ sends basic.return before the basic.ack of the same message, without its tag; it is matched by message id
    and destination. Of two alike it does not matter which one is told.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Sent, float]] = {}
        self._returned: dict[tuple[str, str], tuple[int, str]] = {}
        self._last = 0
        self._lowest = 1

    def __len__(self) -> int:
        """Return how many are not confirmed yet."""
        return len(self._waiting)

    def sent(self, sent: Sent, now: float) -> None:
        """Note what was just published."""
        self._last += 1
        self._waiting[self._last] = (sent, now)

    def returned(self, message_id: str, destination: str, why: str) -> None:
        """Note a basic.return; the message ends when its ack comes."""
        count, _ = self._returned.get((message_id, destination), (0, ""))
        self._returned[message_id, destination] = (count + 1, why)

    def taken(self, tag: int, *, multiple: bool) -> list[Sent]:
        """Remove and return what an ack or nack answers; what is known no more is ignored."""
        if not multiple:
            found = self._waiting.pop(tag, None)
            return [found[0]] if found else []
        answered = range(self._lowest, min(tag, self._last) + 1)
        self._lowest = max(self._lowest, answered.stop)
        return [found[0] for number in answered if (found := self._waiting.pop(number, None))]

    def why_returned(self, sent: Sent) -> str | None:
        """Return why a confirmed envelope reached no queue, None when it did."""
        if not self._returned:
            return None
        key = (sent.envelope.message_id, sent.envelope.destination)
        count, why = self._returned.get(key, (0, ""))
        if count > 1:
            self._returned[key] = (count - 1, why)
        elif count:
            del self._returned[key]
        return why if count else None

    def overdue(self, before: float) -> list[Sent]:
        """Remove and return what was published before that time and has no answer yet."""
        late: list[int] = []
        for number, (_, at) in self._waiting.items():
            if at >= before:
                break  # in the order of publishing: the rest is younger
            late.append(number)
        return [self._waiting.pop(number)[0] for number in late]

    def abandon(self) -> Sequence[Sent]:
        """Remove and return everything: the channel is gone."""
        left = [sent for sent, _ in self._waiting.values()]
        self._waiting.clear()
        self._returned.clear()
        return left

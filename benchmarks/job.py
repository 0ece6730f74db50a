"""What a contender's process is told to do."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Job:
    """One role of one run: servers with a fresh virtual host and database, how many messages, and which queue."""

    amqp_url: str
    database_url: str
    queue: str
    count: int
    """Messages to send or to handle; round trips to make."""
    quorum: bool = True
    """Whether the queue is a quorum queue, where the contender lets one choose."""
    threads: int = 1
    """Threads that send one message at a time; only for contenders that are measured so."""
    one_by_one: bool = False
    """Whether every message is committed and confirmed before the next one is sent."""

    call: int = 200
    """Messages that are sent together, where the contender can."""
    queues: int = 1
    """How many queues there are, one app each; see ``addresses``."""

    @property
    def addresses(self) -> list[str]:
        """Return the name of each queue."""
        return [self.queue] if self.queues == 1 else [f"{self.queue}-{number}" for number in range(self.queues)]

    def to_json(self) -> str:
        """Return the job as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read what ``to_json`` wrote."""
        return cls(**json.loads(line))

"""CPU of the servers' processes, read from /proc before and after what is measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.proc import cpu_seconds
from servers import process_tree
from servers.process_tree import ProcessId

RABBITMQ = "RabbitMQ"
POSTGRESQL = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Groups:
    """The first process of each server; its descendants are counted with it, those that ended meanwhile too."""

    roots: Mapping[str, ProcessId]

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU that each group has used so far."""
        return {
            name: sum(cpu_seconds(each.pid, with_ended_children=True) for each in process_tree.tree(root))
            for name, root in self.roots.items()
        }


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what each group used between two readings."""
    return {name: after[name] - before[name] for name in before}

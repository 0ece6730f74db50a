"""Health: named checks, and what they say together."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """The answer of one check."""

    ok: bool
    detail: str = ""
    """What is wrong and the way out; when all is well empty, or what is worth knowing."""
    alive: bool = True
    """False only when nothing but a restart of the process can mend it."""


class Health:
    """The checks of one process. *Alive*: need not be restarted; *ready*: does its work now."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], Check]] = {}

    def add(self, name: str, check: Callable[[], Check]) -> None:
        """Add a check under a name, in place of any of that name."""
        self._checks[name] = check

    def remove(self, name: str) -> None:
        """Drop a check; harmless when there is none."""
        self._checks.pop(name, None)

    def run(self) -> dict[str, Check]:
        """Ask every check."""
        return {name: check() for name, check in sorted(self._checks.items())}

    def alive(self) -> tuple[bool, dict[str, Check]]:
        """Return whether the process should go on, with what each check said."""
        said = self.run()
        return all(check.alive for check in said.values()), said

    def ready(self) -> tuple[bool, dict[str, Check]]:
        """Return whether the process does its work, with what each check said."""
        said = self.run()
        return all(check.ok for check in said.values()), said

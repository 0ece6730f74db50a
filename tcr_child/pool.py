"""A member of a chassis' pool: it serves whichever slots the chassis' service gives it, each as an app of its own.

What it is given stands in documents that it looks at. When it was thought dead, another member may have its slots for as
long as it takes to notice: that is safe, because an app's lease has one holder, and what another one writes is refused.
"""

import threading

import structlog

from broker.errors import TableError
from broker.lifecycle.clock import Clock
from broker.observe.health import Check
from broker.runtime.host import Host
from broker.table.attendance import attendance
from broker.table.documents import find_documents
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules
from lantime.contract import POOL, SlotPost, pool_address
from lantime.settings import LantimeSettings
from tcr_child.serving import Slots

log = structlog.get_logger("interapp.pool")

LOOK_SECONDS = 0.5
"""How often the assignments are looked at."""


class PoolMember:
    """Serves the slots that this process was given, and stands by for others."""

    def __init__(self, settings: LantimeSettings, clock: Clock, rules: AlarmRules = DEFAULT_RULES) -> None:
        self._pool = pool_address(settings.name)
        self._slots = Slots(settings, clock, rules)
        self._posts: dict[str, SlotPost] = {}
        self._host: Host | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pool member", daemon=True)

    def start(self, host: Host) -> None:
        """Join the pool and begin to look for assignments. Raises TableUnavailable."""
        host.join(self._pool, self.standing)
        self._host = host
        self._slots.say_what_is_missing()
        host.health.add(f"assignment {self._slots.chassis}", self.check)
        self._thread.start()

    def stop(self) -> None:
        """Take on nothing more, end the apps, then leave the pool: whoever assigns sees at once that it stops."""
        self._stopping.set()
        if self._host is not None:
            self._thread.join()
        self._slots.stop()
        if self._host is not None:
            self._host.leave(self._pool)

    def standing(self) -> tuple[str, str]:
        """Return where it stands, and for which slots, for its row."""
        if self._stopping.is_set():
            return "stopping", ""
        serves, stands_by = self._assigned()
        state = "assigned" if serves else "standby" if stands_by else "unassigned"
        parts = [", ".join(serves), f"standby of {', '.join(stands_by)}" if stands_by else ""]
        return state, "; ".join(part for part in parts if part)

    def check(self) -> Check:
        """Say what it does. One without an assignment is well: it is there for when it is needed."""
        state, detail = self.standing()
        return Check(ok=True, detail=f"{state}{f' ({detail})' if detail else ''}, member of the pool {self._pool}")

    def look(self, host: Host) -> None:
        """Look once, and start and end apps as the assignments say. Raises TableUnavailable."""
        if all(row.incarnation != host.incarnation for row in attendance(host.database, [self._pool]).present):
            log.warning("thought dead; joining the pool again", pool=self._pool)
            host.join(self._pool, self.standing)
        found = find_documents(host.database, POOL, app=self._slots.chassis)
        posts = {document.key: SlotPost.model_validate_json(document.body) for document in found}
        self._posts = {slot: post for slot, post in posts.items() if host.incarnation in post.members}
        self._slots.change(host, set(self._posts))

    def _assigned(self) -> tuple[list[str], list[str]]:
        """Return the slots it serves, and those it stands by for."""
        own = self._host.incarnation if self._host is not None else ""
        posts = sorted(self._posts.items())
        return [slot for slot, post in posts if post.server == own], [
            slot for slot, post in posts if post.server != own
        ]

    def _run(self) -> None:
        host = self._host
        while host is not None and not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look(host)
            except TableError as exc:
                # Said by whoever beats; the next look may find it again.
                log.debug("cannot look at the assignments", error=str(exc))
            except Exception:
                # Nothing known gets here; a member that looks no more would keep what another has by now.
                log.exception("unexpected; going on", pool=self._pool)

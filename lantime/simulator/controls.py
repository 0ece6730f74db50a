"""What can be done to the simulated device while it runs, from a test, over HTTP or by a time line."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from pydantic import ValidationError, validate_call

from broker.errors import SettingError
from broker.lifecycle.clock import Clock, ManualClock, SystemClock
from lantime.simulator.accounts import Account, Accounts, Level
from lantime.simulator.device import ControlError
from lantime.simulator.faults import Fault, Faults, Kind
from lantime.simulator.layout import build
from lantime.simulator.scenario import Scenario
from lantime.simulator.staging import Configurations
from lantime.simulator.state_file import StateFile
from lantime.simulator.syncmon import checked_nodes, invented_nodes
from lantime.simulator.timeline import BehindClock, Step, Timeline

SLOTS_PATH = "/api/status/chassis0/slots"
_KEPT_REQUESTS = 10_000
_BEFORE_THE_START = -1.0

ACTIONS = frozenset(
    {
        "pull",
        "plug",
        "move",
        "swap-chassis",
        "lose-signal",
        "restore-signal",
        "set-scenario",
        "fail-requests",
        "clear-faults",
        "disable-api",
        "enable-api",
        "change-login",
        "set-level",
        "allow-anonymous",
        "revoke-tokens",
        "set-syncmon",
        "restart",
    }
)

Played = Callable[[Step, ControlError | None], None]
"""Told of each step of a time line once it was played, with what kept it from being done."""


@dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """One request that came in: no secrets in it. ``at_us`` is microseconds since 1970 UTC."""

    method: str
    path: str
    status: int
    login: str
    at_us: int


class UnknownAction(ControlError):
    """There is no control of this name."""


def silent(step: Step, problem: ControlError | None) -> None:
    """Stand for nobody who wants to know what was played."""


class Controls:
    """The device behind a lock. Every method may be called from any thread at any time.

    ``api`` is 8, 10, 16 or 20, ``model`` M1000 or M3000 (ValueError otherwise). Slot arguments that do not fit the
    device raise ControlError, and change nothing.

    ``scenario`` is one for all TCRs from the start, or a time line, which is rehearsed first; ``state`` the file in
    which the saved configuration survives; ``syncmon_nodes`` how many invented nodes SyncMon watches;
    ``anonymous_read`` whether reading needs no login; ``on_step`` is told what a time line does. Raises SettingError
    for a time line or a state file that cannot be.
    """

    def __init__(
        self,
        *,
        model: str = "M1000",
        api: int = 20,
        clock: Clock | None = None,
        scenario: Scenario | Timeline | None = None,
        state: Path | None = None,
        syncmon_nodes: int = 0,
        anonymous_read: bool = False,
        on_step: Played = silent,
    ) -> None:
        self.clock = clock or SystemClock()
        self._device_clock = BehindClock(self.clock)
        self.device = build(model, api, self._device_clock)
        self._state = StateFile(state) if state else None
        if self._state:
            slots = [bay.slot_id for bay in self.device.clock_bays]
            self.device.configuration = Configurations(self._state.load(model, slots))
            self.device.restart()
        self.accounts = Accounts()
        self.lock = RLock()
        self.api_enabled = True
        self.anonymous_read = anonymous_read
        self.faults = Faults()
        self._requests: deque[RequestRecord] = deque(maxlen=_KEPT_REQUESTS)
        self._on_step = on_step
        self._timeline = scenario if isinstance(scenario, Timeline) else Timeline(())
        self._started = self.clock.monotonic()
        self._played_until = _BEFORE_THE_START
        if syncmon_nodes:
            self.device.set_syncmon(invented_nodes(syncmon_nodes))
        if isinstance(scenario, Timeline):
            _rehearse(scenario, model, api)
        elif scenario is not None:
            for slot in self.device.tcr_slots:
                self.device.set_scenario(slot, scenario)

    def play_due(self) -> float | None:
        """Play what the time line has due by now; return in how many seconds the next step is, None when none is.

        Whoever looks at the device calls this first. A step that is played late happens at its own time all the
        same, and one that cannot be done (a module pulled by hand is pulled again) is passed over.
        """
        with self.lock:
            now = self.clock.monotonic() - self._started
            for at_seconds, step in self._timeline.due(self._played_until, now):
                problem = None
                self._device_clock.behind_seconds = now - at_seconds
                try:
                    self.perform(step.action, dict(step.arguments))
                except ControlError as exc:
                    problem = exc
                finally:
                    self._device_clock.behind_seconds = 0.0
                self._on_step(step, problem)
            self._played_until = now
            following = self._timeline.next_due(now)
            return None if following is None else following - now

    def pull(self, slot: str) -> None:
        """Take the module out of a slot."""
        with self.lock:
            self.device.pull(slot)

    def plug(self, slot: str, serial: str | None = None, model: str | None = None) -> None:
        """Put a module into an empty slot: the pulled one again, or another with this serial number or model."""
        with self.lock:
            self.device.plug(slot, serial, model)

    def move(self, slot: str, to: str) -> None:
        """Put the module of one slot into another of the same type; one that is in that changes places with it."""
        with self.lock:
            self.device.move(slot, to)

    def swap_chassis(self, serial: str) -> None:
        """Put another chassis of the same model in this one's place, with this serial number and other modules."""
        with self.lock:
            self.device.swap_chassis(serial)

    def lose_signal(self, slot: str) -> None:
        """Take the time code away from a TCR: it goes to holdover."""
        self.set_scenario(slot, Scenario.NO_SIGNAL)

    def restore_signal(self, slot: str) -> None:
        """Give a TCR its time code back: it is synchronised at once (invented; a real one checks two telegrams)."""
        self.set_scenario(slot, Scenario.LOCKED)

    def set_scenario(self, slot: str, scenario: Scenario) -> None:
        """Let a TCR go through any scenario."""
        with self.lock:
            self.device.set_scenario(slot, scenario)

    def fail_requests(
        self,
        count: int = 1,
        status: int = 503,
        path_prefix: str = SLOTS_PATH,
        method: str | None = None,
        kind: Kind = Kind.STATUS,
        skip: int = 0,
        delay_seconds: float = 0.0,
        *,
        after_effect: bool = False,
    ) -> None:
        """Let the next ``count`` requests that fit go wrong; see ``Fault``."""
        fault = Fault(
            kind=kind,
            count=count,
            path_prefix=path_prefix,
            method=method,
            status=status,
            skip=skip,
            after_effect=after_effect,
            delay_seconds=delay_seconds,
        )
        with self.lock:
            self.faults.add(fault)

    def clear_faults(self) -> None:
        """Let every request succeed again that was asked to fail."""
        with self.lock:
            self.faults.clear()

    def disable_api(self) -> None:
        """Switch the REST API off: every request to it is answered 503 (invented)."""
        with self.lock:
            self.api_enabled = False

    def enable_api(self) -> None:
        """Switch the REST API on again."""
        with self.lock:
            self.api_enabled = True

    def change_login(self, username: str, password: str, level: str | None = None) -> None:
        """Set a user's password (and level: info, admin, super-user), or add a user; its tokens end."""
        if not username or ":" in username:
            raise ControlError(f"username={username!r} is not allowed: not empty, without ':'")
        with self.lock:
            known = self.accounts.get(username)
            kept = _level(level) if level is not None else known.level if known else Level.INFO
            self.accounts.put(Account(username=username, password=password, level=kept))

    def set_level(self, username: str, level: str) -> None:
        """Set a user's level (info, admin, super-user) and keep the password; its tokens end."""
        with self.lock:
            known = self.accounts.get(username)
            if known is None:
                raise ControlError(f"username={username!r}: no such user; change-login adds one")
            self.accounts.put(Account(username=username, password=known.password, level=_level(level)))

    def allow_anonymous(self, allowed: bool = True) -> None:  # noqa: FBT001, FBT002 an argument of a control, by name
        """Let everybody read without a login, or nobody any more."""
        with self.lock:
            self.anonymous_read = allowed

    def revoke_tokens(self) -> None:
        """End every bearer token."""
        with self.lock:
            self.accounts.revoke_tokens()

    def set_syncmon(self, nodes: list[dict[str, Any]]) -> None:
        """Replace the nodes that SyncMon watches: objects of any form, each with an object-id of its own.

        A node whose ``status`` is "alert" triggers the event sync-monitor-alert.
        """
        with self.lock:
            self.device.set_syncmon(checked_nodes(nodes))

    def restart(self) -> None:
        """Switch the device off and on: what was not saved, what was staged and all tokens are gone."""
        with self.lock:
            self.device.restart()
            self.accounts.revoke_tokens()

    def save_configuration(self) -> None:
        """Save what is in force as startup configuration. Raises OSError when the state file cannot be written."""
        with self.lock:
            if self._state:
                self._state.save(self.device.model, self.device.configuration.in_force)
            self.device.configuration.save()

    @property
    def request_log(self) -> tuple[RequestRecord, ...]:
        """The last 10,000 requests, oldest first."""
        with self.lock:
            return tuple(self._requests)

    def record(self, request: RequestRecord) -> None:
        """Add a request to the log."""
        with self.lock:
            self._requests.append(request)

    def perform(self, action: str, arguments: object) -> None:
        """Do what ``POST /simulator/<action>`` asks: ``pull``, ``lose-signal``, … with the methods' arguments.

        Raises UnknownAction, or ControlError for arguments that do not fit.
        """
        name = action.replace("_", "-")
        if name not in ACTIONS:
            raise UnknownAction(f"{action!r}: no such action; known are {', '.join(sorted(ACTIONS))}")
        if not isinstance(arguments, dict):
            raise ControlError("the arguments must be a JSON object")
        method = getattr(self, name.replace("-", "_"))
        try:
            validate_call(method)(**{key.replace("-", "_"): value for key, value in arguments.items()})
        except ValidationError as exc:
            raise ControlError(_problem(exc)) from exc


def _problem(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"].startswith("missing"):
        return f"{name}: {first['msg']}"
    shown = "…" if name == "password" else repr(first["input"])
    return f"{name}={shown} is not allowed: {first['msg']}"


def _level(name: str) -> Level:
    levels: Mapping[str, Level] = {each.name.lower().replace("_", "-"): each for each in Level}
    if name not in levels:
        raise ControlError(f"level={name!r} is not allowed: one of {', '.join(levels)}")
    return levels[name]


def _rehearse(timeline: Timeline, model: str, api: int) -> None:
    """Play a time line twice through on another device, so that what can never work is told at the start."""
    twin = Controls(model=model, api=api, clock=ManualClock())
    for turn in range(2 if timeline.repeat_every_seconds else 1):
        for step in timeline.steps:
            try:
                twin.perform(step.action, dict(step.arguments))
            except ControlError as exc:
                again = " (when it is repeated)" if turn else ""
                raise SettingError(f"{timeline.name}: step {step.number}", str(step), f"{exc}{again}") from exc

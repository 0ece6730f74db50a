"""What can be done to the simulated device while it runs, from a test or over HTTP."""

from collections import deque
from dataclasses import dataclass
from threading import RLock

from pydantic import ValidationError, validate_call

from broker.lifecycle.clock import Clock, SystemClock
from lantime.simulator.accounts import Account, Accounts, Level
from lantime.simulator.device import ControlError
from lantime.simulator.layout import build
from lantime.simulator.scenario import Scenario

SLOTS_PATH = "/api/status/chassis0/slots"
_ERROR_STATUS = range(400, 600)
_KEPT_REQUESTS = 10_000

_ACTIONS = frozenset(
    {
        "pull",
        "plug",
        "move",
        "swap-chassis",
        "lose-signal",
        "restore-signal",
        "set-scenario",
        "fail-requests",
        "disable-api",
        "enable-api",
        "change-login",
        "revoke-tokens",
    }
)


@dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """One request that came in: no secrets in it. ``at_us`` is microseconds since 1970 UTC."""

    method: str
    path: str
    status: int
    login: str
    at_us: int


@dataclass(kw_only=True)
class _Fault:
    left: int
    status: int
    path_prefix: str


class UnknownAction(ControlError):
    """There is no control of this name."""


class Controls:
    """The device behind a lock. Every method may be called from any thread at any time.

    ``api`` is 8, 10, 16 or 20, ``model`` M1000 or M3000 (ValueError otherwise). Slot arguments that do not fit the
    device raise ControlError, and change nothing.
    """

    def __init__(self, *, model: str = "M1000", api: int = 20, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.device = build(model, api, self.clock)
        self.accounts = Accounts()
        self.lock = RLock()
        self.api_enabled = True
        self._faults: list[_Fault] = []
        self._requests: deque[RequestRecord] = deque(maxlen=_KEPT_REQUESTS)

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

    def fail_requests(self, count: int, status: int = 503, path_prefix: str = SLOTS_PATH) -> None:
        """Answer the next ``count`` requests whose path begins with the prefix with an error status (400..599)."""
        if count < 1:
            raise ControlError(f"count={count!r} is not allowed: 1 or more")
        if status not in _ERROR_STATUS:
            raise ControlError(f"status={status!r} is not allowed: 400 to 599")
        with self.lock:
            self._faults.append(_Fault(left=count, status=status, path_prefix=path_prefix))

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
        levels = {each.name.lower().replace("_", "-"): each for each in Level}
        if level is not None and level not in levels:
            raise ControlError(f"level={level!r} is not allowed: one of {', '.join(levels)}")
        with self.lock:
            known = self.accounts.get(username)
            kept = levels[level] if level else known.level if known else Level.INFO
            self.accounts.put(Account(username=username, password=password, level=kept))

    def revoke_tokens(self) -> None:
        """End every bearer token."""
        with self.lock:
            self.accounts.revoke_tokens()

    @property
    def request_log(self) -> tuple[RequestRecord, ...]:
        """The last 10,000 requests, oldest first."""
        with self.lock:
            return tuple(self._requests)

    def record(self, request: RequestRecord) -> None:
        """Add a request to the log."""
        with self.lock:
            self._requests.append(request)

    def next_fault(self, path: str) -> int | None:
        """Return the status with which to fail this request, and count it; None when it should succeed."""
        with self.lock:
            for fault in self._faults:
                if path.startswith(fault.path_prefix):
                    fault.left -= 1
                    if fault.left == 0:
                        self._faults.remove(fault)
                    return fault.status
            return None

    def perform(self, action: str, arguments: object) -> None:
        """Do what ``POST /simulator/<action>`` asks: ``pull``, ``lose-signal``, … with the methods' arguments.

        Raises UnknownAction, or ControlError for arguments that do not fit.
        """
        name = action.replace("_", "-")
        if name not in _ACTIONS:
            raise UnknownAction(f"{action!r}: no such action; known are {', '.join(sorted(_ACTIONS))}")
        if not isinstance(arguments, dict):
            raise ControlError("the arguments must be a JSON object")
        method = getattr(self, name.replace("-", "_"))
        try:
            validate_call(method)(**{key.replace("-", "_"): value for key, value in arguments.items()})
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_context=False)[0]
            raise ControlError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from exc

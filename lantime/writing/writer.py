"""Writes a module's configuration: read, compare, write, read back, count, commit, confirm, save.

A change that breaks off is rolled back, then the device is read again, so that the error says what is on it. An answer
that was lost is no failure yet: reading shows whether the request had its effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lantime.client import LantimeClient
from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.module import read_configuration
from lantime.configuration.plan import Difference, Plan, Write
from lantime.errors import (
    DeviceError,
    DeviceUnreachable,
    LoginRefused,
    PendingChanges,
    Problem,
    RolledBack,
    UnexpectedAnswer,
    WriteDisturbed,
    WriteFailed,
    WriteRefused,
)
from lantime.writing.decisions import (
    Begin,
    Look,
    Request,
    Step,
    begin,
    commit_problem,
    fields_now,
    moved,
    rolled_back,
    staging_problem,
)
from lantime.writing.profile import Action, WriteProfile

_KEYS = frozenset({"programmable-outputs", "receiver", "mrs", "time-code-output", "enable-flags", "serial-ports"})
"""What a module's configuration is recognised by."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a change: what differed, how the device reads now, and whether it was saved."""

    differences: tuple[Difference, ...]
    now: Look
    changed: bool
    """Whether anything was put in force: with force, that may be what was staged already."""
    saved: bool


class _Broken(Exception):
    """A step did not end as it must."""


class _Disturbed(_Broken):
    """The same, and somebody else is the likely cause."""


_NOT_SENT = frozenset({Problem.REFUSED, Problem.NAME, Problem.CERTIFICATE, Problem.TLS, Problem.PROXY})
"""A request that met one of these never reached the device."""


class ModuleWriter:
    """Reads and writes the configuration of one slot's module. The caller sees to it that nobody else in this process writes.

    ``cancelled`` tells whether the caller was asked to stop: it is looked at until the commit, and never while rolling back.
    """

    def __init__(
        self,
        device: LantimeClient,
        profile: WriteProfile,
        slot: str,
        *,
        chassis: str = "chassis0",
        cancelled: Callable[[], bool] = _never,
    ) -> None:
        self._device = device
        self._profile = profile
        self._chassis = chassis
        self._slot = slot
        self._cancelled = cancelled

    def look(self, cancelled: Callable[[], bool] | None = None) -> Look:
        """Read the module's configuration. Raises DeviceError."""
        path = self._profile.path_of(self._chassis, self._slot)
        answer = self._device.read(path, cancelled=cancelled or self._cancelled)
        found = _configuration(answer.body.get("data"))
        if found is None:
            raise UnexpectedAnswer("the answer holds no configuration of a TCR module", url=answer.url)
        return Look(found, read_configuration(found), answer.pending_changes)

    def change(self, request: Request, *, force: bool = False, save: bool = False) -> Written:
        """Make the device as the request wants it; nothing of it is written when it already is.

        ``save`` keeps it over a restart, also when it was so before. ``force`` writes although changes are staged that
        are not ours; they are put in force with ours, or dropped with ours.

        Raises PendingChanges, WriteRefused and whatever else ends it before anything of it was staged; WriteFailed after
        that; and what the request raises.
        """
        first = self.look()
        plan = request(first)
        match begin(plan, first.pending, force=force):
            case Begin.REFUSE:
                raise PendingChanges(first.pending, url=self._url)
            case Begin.NOTHING:
                if save:
                    self.save()
                return Written((), first, changed=False, saved=save)
        run = _Run(self, plan, request, first)
        now = run.finished()
        if save:
            run.save()
        return Written(plan.differences, now, changed=True, saved=save)

    def save(self) -> None:
        """Keep what is in force over a restart. Raises DeviceError."""
        self.act(self._profile.save, self._cancelled)

    def rollback(self) -> Look:
        """Drop everything that is staged, whoever's it is, and return what is there then. Raises DeviceError."""
        self.act(self._profile.rollback, self._cancelled)
        return self.look()

    def stage(self, write: Write) -> int | None:
        """Send one write; return how many changes are pending by its answer."""
        path = self._profile.path_of(self._chassis, self._slot, write.part)
        body: JsonValue = self._profile.wrapped(write.body)
        return self._device.write(self._profile.verb, path, body, cancelled=self._cancelled).pending_changes

    def commit(self) -> int | None:
        """Put what is staged in force; return how many changes are pending by the answer."""
        return self.act(self._profile.commit, self._cancelled)

    def act(self, action: Action, cancelled: Callable[[], bool] = _never) -> int | None:
        """Send a request that belongs to no module; return how many changes are pending by its answer."""
        return self._device.write(action.verb, action.path, action.body, cancelled=cancelled).pending_changes

    def take_back(self) -> None:
        """Drop what is staged, whether the caller was asked to stop or not."""
        self.act(self._profile.rollback)

    def look_anyway(self) -> Look:
        """Read the configuration, whether the caller was asked to stop or not."""
        return self.look(_never)

    @property
    def _url(self) -> str:
        return self._device.url

    def failed(
        self, step: Step, cause: Exception, plan: Plan, left: Plan | None, pending: int | None, back: RolledBack
    ) -> WriteFailed:
        """Return the error of a change that broke off."""
        error = WriteDisturbed if isinstance(cause, _Disturbed) else WriteFailed
        return error(
            step,
            str(cause),
            url=self._url,
            before={each.field: each.before for each in plan.differences},
            wanted={each.field: each.after for each in plan.differences},
            now=fields_now(plan, left),
            rolled_back=back,
            pending=pending,
        )


class _Run:
    """One change under way: the step it is at, and whether anything of it may have reached the device."""

    def __init__(self, writer: ModuleWriter, plan: Plan, request: Request, first: Look) -> None:
        self._writer = writer
        self._plan = plan
        self._request = request
        self._first = first
        self._step = Step.WRITE
        self._touched = False

    def finished(self) -> Look:
        """Write, check and commit; return the last look. Raises what ended it, WriteFailed once something was staged."""
        try:
            said = self._stage_all()
            self._check_staged(said)
            return self._commit()
        except (DeviceError, _Broken) as exc:
            if not self._touched:
                raise
            return self._undone(exc)

    def save(self) -> None:
        """Keep what is in force; it stays in force when that fails, which the error says."""
        try:
            self._writer.save()
        except DeviceError as exc:
            why = _Broken(f"{exc}; it is in force, but not kept over a restart: send tcr.save-configuration")
            raise self._writer.failed(Step.SAVE, why, self._plan, Plan(), 0, RolledBack.FALSE) from exc

    def _stage_all(self) -> int | None:
        said = self._first.pending
        for write in self._plan.writes:
            try:
                said = self._writer.stage(write)
            except DeviceError as exc:
                if _had_no_effect(exc):
                    raise
                self._touched = True
                if write.part in {each.part for each in self._left(self._writer.look()).writes}:
                    raise
                # Only the answer was lost. What the device counts now is looked at when all is staged.
                said = None
            self._touched = True
        self._touched = True
        return said

    def _check_staged(self, said: int | None) -> None:
        self._step = Step.READ_BACK
        back = self._writer.look()
        left = self._left(back)
        if left.empty:
            self._step = Step.COUNT
        problem = staging_problem(self._plan, self._first, said, back, left)
        if problem:
            raise _Disturbed(problem) if moved(said, back.pending) or left.empty else _Broken(problem)

    def _commit(self) -> Look:
        self._step = Step.COMMIT
        lost: DeviceError | None = None
        said: int | None = None
        try:
            said = self._writer.commit()
        except DeviceError as exc:
            if _had_no_effect(exc):
                raise
            lost = exc
        else:
            self._step = Step.CONFIRM
        after = self._writer.look_anyway()
        problem = commit_problem(said, after, self._left(after), answered=lost is None)
        if problem:
            raise lost or _Broken(problem)
        return after

    def _left(self, look: Look) -> Plan:
        """Return what still differs from what is wanted."""
        try:
            return self._request(look)
        except InvalidSetting as exc:
            # It could be set when the change began: the device is not what it was then.
            raise _Broken(str(exc)) from exc

    def _undone(self, cause: DeviceError | _Broken) -> Look:
        """Roll back and read; return the look when it turns out that the change is in force after all."""
        why: Exception = cause
        committed = self._step in (Step.COMMIT, Step.CONFIRM)
        # Rolling back drops everybody's staged changes, so it is looked first whether there is anything to roll back.
        now, left, _ = self._look_again() if committed else (None, None, None)
        if now is None or not _in_force(now, left):
            try:
                self._writer.take_back()
            except DeviceError as exc:
                why = _Broken(f"{why}; rolling back failed as well: {exc}")
            now, left, unread = self._look_again()
            if unread is not None:
                why = _Broken(f"{why}; reading it again failed as well: {unread}")
        if committed and now is not None and _in_force(now, left):
            return now
        pending = None if now is None else now.pending
        raise self._writer.failed(self._step, why, self._plan, left, pending, rolled_back(left, pending)) from cause

    def _look_again(self) -> tuple[Look | None, Plan | None, Exception | None]:
        """Return what is on the device now and what of the change is not, as far as either can be had; else why not."""
        now: Look | None = None
        try:
            now = self._writer.look_anyway()
            return now, self._left(now), None
        except (DeviceError, _Broken) as exc:
            return now, None, exc


def _in_force(now: Look, left: Plan | None) -> bool:
    return left is not None and left.empty and now.pending == 0


def _had_no_effect(exc: DeviceError) -> bool:
    """Tell whether a request that ended so cannot have changed anything."""
    return isinstance(exc, WriteRefused | LoginRefused) or (
        isinstance(exc, DeviceUnreachable) and exc.problem in _NOT_SENT
    )


def _configuration(data: object) -> Mapping[str, object] | None:
    """Return the module's configuration in an answer's data, which may wrap it in its parents' names; else None."""
    level = [data]
    while level:
        for found in level:
            if isinstance(found, Mapping) and _KEYS & found.keys():
                return found
        level = [child for found in level if isinstance(found, Mapping) for child in found.values()]
    return None

"""Handlers that are run in a process of their own: they are imported there by name."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from broker.errors import Reject
from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY, Backoff
from broker.messages.message import Command, Event, Reply

PATIENT = 30.0


@dataclass
class Bench:
    """What the handlers work on: a copy of it is in their process."""

    name: str
    ledger: str
    """A file that every run appends a line to."""

    def note(self, line: str) -> None:
        """Append a line."""
        with open(self.ledger, "a", encoding="utf-8") as file:  # noqa: PTH123 one call to one file
            file.write(line + "\n")


class Who(Reply):
    kind: ClassVar[str] = "isolated.who"
    name: str
    pid: int
    count: int


class Ask(Command[Who]):
    kind: ClassVar[str] = "isolated.ask"
    text: str = ""


class Hang(Command[None]):
    kind: ClassVar[str] = "isolated.hang"


class HangInC(Command[None]):
    kind: ClassVar[str] = "isolated.hang-in-c"


class Heed(Command[None]):
    kind: ClassVar[str] = "isolated.heed"


class Segfault(Command[None]):
    kind: ClassVar[str] = "isolated.segfault"


class Exit(Command[None]):
    kind: ClassVar[str] = "isolated.exit"
    code: int


class Refuse(Command[None]):
    kind: ClassVar[str] = "isolated.refuse"


class Flaky(Command[None]):
    kind: ClassVar[str] = "isolated.flaky"


class Tell(Command[None]):
    kind: ClassVar[str] = "isolated.tell"
    to: str


class Report(Command[Who]):
    kind: ClassVar[str] = "isolated.report"


class ReportWrongly(Command[None]):
    kind: ClassVar[str] = "isolated.report-wrongly"


class Told(Event):
    kind: ClassVar[str] = "isolated.told"
    text: str


class Step(Command[Who]):
    kind: ClassVar[str] = "isolated.step"
    hang: bool = False
    crash: bool = False
    fail: bool = False


class Await(Command[Who]):
    kind: ClassVar[str] = "isolated.await"


class Counter(BaseModel):
    count: int


handlers = HandlerRegistry[Bench]("isolated")


@handlers.handles(Ask, timeout=PATIENT, isolated=True)
def ask(message: Ask, ctx: Context[Bench]) -> Who:
    """Count in a document; answer who and where it is."""
    kept = ctx.documents.get("counters", "asked", Counter) or Counter(count=0)
    assert len(ctx.documents.all("counters", Counter)) == (1 if kept.count else 0)
    ctx.documents.put("counters", "asked", Counter(count=kept.count + 1))
    return Who(name=ctx.resource.name + message.text, pid=os.getpid(), count=kept.count + 1)


@handlers.handles(Hang, timeout=0.5, isolated=True, retry=NO_RETRY)
def hang(_message: Hang, ctx: Context[Bench]) -> None:
    """Start a process, and never come back."""
    helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ctx.resource.note(f"{os.getpid()} {helper.pid}")
    threading.Event().wait()


@handlers.handles(HangInC, timeout=PATIENT, isolated=True, retry=NO_RETRY)
def hang_in_c(_message: HangInC, ctx: Context[Bench]) -> None:
    """Never come back, and let no other thread run meanwhile."""
    ctx.resource.note(str(os.getpid()))
    ctypes.PyDLL(None).pause()


@handlers.handles(Heed, timeout=PATIENT, isolated=True, retry=NO_RETRY)
def heed(_message: Heed, ctx: Context[Bench]) -> None:
    """Go on until asked to stop."""
    ctx.resource.note(str(os.getpid()))
    never = threading.Event()
    while not ctx.cancelled:
        never.wait(0.01)
    ctx.resource.note("heeded")


@handlers.handles(Segfault, timeout=PATIENT, isolated=True, retry=Backoff(attempts=2, first=0.01))
def segfault(_message: Segfault, ctx: Context[Bench]) -> None:
    """Take the process down."""
    ctx.resource.note(f"attempt {ctx.attempt}")
    ctypes.string_at(0)


@handlers.handles(Exit, timeout=PATIENT, isolated=True, retry=NO_RETRY)
def leave(message: Exit, _ctx: Context[Bench]) -> None:
    """End the process without a word."""
    os._exit(message.code)


@handlers.handles(Refuse, timeout=PATIENT, isolated=True)
def refuse(_message: Refuse, _ctx: Context[Bench]) -> None:
    """Refuse."""
    raise Reject("not with me")


@handlers.handles(Flaky, timeout=PATIENT, isolated=True, retry=Backoff(attempts=2, first=0.01))
def flaky(_message: Flaky, ctx: Context[Bench]) -> None:
    """Fail, then succeed."""
    if ctx.attempt == 1:
        raise OSError("not yet")


@handlers.handles(Tell, timeout=PATIENT, isolated=True)
def tell(message: Tell, ctx: Context[Bench]) -> None:
    """Send a command and publish an event."""
    ctx.send(Ask(text="é"), to=message.to)
    ctx.publish(Told(text="it happened"))


@handlers.handles(Step, timeout=3.0, isolated=True, retry=NO_RETRY)
class Stepping(MessageExecutor[Step, Bench]):
    """Hang, crash or fail in a phase, as the message says."""

    async def gather(self) -> None:
        """Read something."""
        await asyncio.sleep(0)
        self.ctx.documents.all("counters", Counter)

    def validate(self) -> bool:
        """Hang, when told to."""
        if self.message.hang:
            threading.Event().wait()
        return True

    def modify(self) -> None:
        """Crash, when told to."""
        if self.message.crash:
            os._exit(3)

    async def apply(self) -> None:
        """Fail, when told to."""
        if self.message.fail:
            raise OSError("broken")

    def reply(self) -> Who:
        """Say whether it was applied."""
        return Who(name=f"applied {self.applied}", pid=os.getpid(), count=0)


@handlers.handles(Await, timeout=PATIENT, isolated=True)
async def wait_a_turn(_message: Await, _ctx: Context[Bench]) -> Who:
    """Answer with the number of the loop."""
    await asyncio.sleep(0)
    return Who(name="async", pid=os.getpid(), count=id(asyncio.get_running_loop()))


@handlers.handles(Report, timeout=PATIENT, isolated=True)
def report(_message: Report, ctx: Context[Bench]) -> Who:
    """Reply twice before the end, say how far it is, and wait until it is asked to stop."""
    for count in (1, 2):
        ctx.reply(Who(name="é", pid=os.getpid(), count=count))
    ctx.progress(0.5, "half")
    never = threading.Event()
    while not ctx.cancelled:
        never.wait(0.01)
    return Who(name="last", pid=os.getpid(), count=3)


@handlers.handles(ReportWrongly, timeout=PATIENT, isolated=True, retry=NO_RETRY)
def report_wrongly(_message: ReportWrongly, ctx: Context[Bench]) -> None:
    """Reply though there is nothing to reply to."""
    ctx.reply(Who(name="", pid=0, count=0))


handlers.sends(Told)

"""What a type checker says of handlers and executors."""

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[4]

PREFACE = """
from typing import ClassVar
from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from broker.messages.message import Command, Event, Reply

class Done(Reply):
    kind: ClassVar[str] = "t.done"
class Other(Reply):
    kind: ClassVar[str] = "t.other"
class Do(Command[Done]):
    kind: ClassVar[str] = "t.do"
class Quiet(Command[None]):
    kind: ClassVar[str] = "t.quiet"
class Happened(Event):
    kind: ClassVar[str] = "t.happened"

handlers = HandlerRegistry[int]("t")
"""

RIGHT = """
@handlers.handles(Do)
class Whole(MessageExecutor[Do, int]):
    async def gather(self) -> None:
        reveal_type(self.message)
        reveal_type(self.ctx.resource)
    def validate(self) -> bool:
        return True
    async def reply(self) -> Done:
        return Done()

@handlers.handles(Quiet)
class Small(MessageExecutor[Quiet, int]):
    async def validate(self) -> bool:
        return False
    def reply(self) -> None: ...

@handlers.handles(Happened)
class Noting(MessageExecutor[Happened, int]):
    def apply(self) -> None: ...

@handlers.handles(Happened)
async def note(event: Happened, ctx: Context[int]) -> None: ...
"""

WRONG = """
class AnotherReply(MessageExecutor[Do, int]):
    def reply(self) -> Other:  # wrong
        return Other()

class NoReply(MessageExecutor[Do, int]):
    def reply(self) -> None: ...  # wrong

class UnwantedReply(MessageExecutor[Quiet, int]):
    async def reply(self) -> Done:  # wrong
        return Done()

class NoVerdict(MessageExecutor[Do, int]):
    async def validate(self) -> None: ...  # wrong

@handlers.handles(Do)  # wrong
class AnotherMessage(MessageExecutor[Quiet, int]): ...

@handlers.handles(Quiet)  # wrong
class AnotherResource(MessageExecutor[Quiet, str]): ...
"""


def check(folder: Path, name: str, code: str) -> str:
    """Return what mypy says of the code."""
    file = folder / f"{name}.py"
    file.write_text(PREFACE + code, encoding="utf-8")
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    return api.run([*config, "--no-error-summary", str(file)])[0]


@pytest.mark.timeout(300)
def test_a_type_checker_knows_what_an_executor_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executors that keep their contract are accepted, message and resource are known; any other is refused, on its line."""
    monkeypatch.chdir(ROOT)
    said = check(tmp_path, "right", RIGHT)
    assert "error" not in said
    assert 'Revealed type is "right.Do"' in said
    assert re.search(r'Revealed type is "(builtins\.)?int"', said)
    wrong = check(tmp_path, "wrong", WRONG)
    blamed = {int(line.split(":")[1]) for line in wrong.splitlines() if ": error:" in line}
    assert blamed == {number for number, line in enumerate((PREFACE + WRONG).split("\n"), 1) if "# wrong" in line}, (
        wrong
    )

"""5,000 messages of every sort, most of them wrong, from a foreign producer to one child."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from acceptance.fleet import CHASSIS, Fleet, Line, publish_foreign

CLK1 = f"{CHASSIS}.clk1"
MESSAGES = 5000
FIRST = 1000
"""After these the child has met every sort, and its memory must not grow any more."""

GROWTH_MIB = 40
LARGE = 5_000_000
KEPT = 64 * 1024


class Sort(NamedTuple):
    """One sort of message: what is published, and how its handler must end."""

    name: str
    body: bytes
    properties: dict[str, Any]
    state: str
    reason: str | None
    error: str
    weight: int


STATUS = {"slot": "clk1", "observed_at": "2026-11-22T09:00:00Z", "api_major": 20, "module": None}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _invalid(name: str, body: bytes, error: str, weight: int = 30, **properties: Any) -> Sort:
    return Sort(name, body, {"type": "tcr.module-status", **properties}, "failed", "invalid", error, weight)


SORTS = (
    Sort("question", b"{}", {"type": "tcr.get-status"}, "succeeded", None, "", 120),
    Sort("status", _json(STATUS), {"type": "tcr.module-status"}, "succeeded", None, "", 100),
    Sort(
        "other-slot", _json({**STATUS, "slot": "clk2"}), {"type": "tcr.module-status"}, "failed", "rejected", "clk2", 30
    ),
    Sort("unknown", b"{}", {"type": "weather.report"}, "failed", "unhandled", "weather.report", 60),
    Sort("odd-kind", b"{}", {"type": "\u00e4 kind; DROP TABLE"}, "failed", "unhandled", "DROP TABLE", 20),
    Sort("no-type", b"{}", {}, "failed", "invalid", "AMQP property type", 40),
    _invalid("no-json", b'{"slot": "clk1", ', "Invalid JSON"),
    _invalid("no-text", bytes(range(256)), "Invalid JSON"),
    _invalid("empty", b"", "Invalid JSON"),
    _invalid("no-object", b"[1, 2, 3]", "object"),
    _invalid("not-a-number", b'{"slot": "clk1", "observed_at": NaN}', "observed_at"),
    _invalid("wrong-type", _json({**STATUS, "api_major": "20"}), "api_major: "),
    _invalid("missing", b'{"slot": "clk1"}', "observed_at: "),
    _invalid("too-much", _json({**STATUS, "colour": "blue"}), "colour: "),
    _invalid("bad-slot", _json({**STATUS, "slot": "../x"}), "slot: "),
    _invalid("deep", b'{"module": ' + b"[" * 5000 + b"]" * 5000 + b"}", "Invalid JSON"),
    _invalid("xml", b"<status/>", "text/xml", content_type="text/xml"),
    _invalid("newer", _json(STATUS), "version 9", headers={"x-version": 9}),
    _invalid("no-version", _json(STATUS), "x-version", headers={"x-version": "new"}),
    _invalid("late", _json(STATUS), "", headers={"x-deadline": 1})._replace(reason="expired"),
    _invalid("large", b" " * LARGE, f"{LARGE}", weight=1),
)
BY_NAME = {sort.name: sort for sort in SORTS}


@pytest.fixture
def fleet(tmp_path: Path, amqp_url: str, postgres_url: str) -> Iterator[Fleet]:
    """An installation without any process yet."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        yield fleet


def mixture() -> list[Sort]:
    """Return the sorts of all messages in a random but repeatable order; each sort is among the first ones too."""
    dice = random.Random(2026)
    mixed = [sort for sort in SORTS for _ in range(sort.weight)] * (MESSAGES // sum(sort.weight for sort in SORTS) + 1)
    dice.shuffle(mixed)
    mixed = [*SORTS, *mixed][:MESSAGES]
    first, rest = mixed[:FIRST], mixed[FIRST:]
    dice.shuffle(first)
    return [*first, *rest]


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no memory")


def as_it_should(line: Line) -> bool:
    """Tell whether a message ended as one of its sort must."""
    sort = BY_NAME[str(line["id"]).rpartition("-")[0]]
    return (line["state"], line["reason"]) == (sort.state, sort.reason) and sort.error in (line["error"] or "")


def test_every_one_of_many_mixed_messages_ends_as_it_should(fleet: Fleet) -> None:
    """Whatever arrives ends in its state with its reason; the child lives, goes on, and its memory stays flat."""
    child = fleet.child("clk1").wait_ready()
    sorts = mixture()
    memory: list[float] = []
    for begin, end in ((0, FIRST), (FIRST, MESSAGES)):
        messages = (
            (sort.body, {**sort.properties, "message_id": f"{sort.name}-{number}"})
            for number, sort in enumerate(sorts[begin:end], begin)
        )
        publish_foreign(fleet.broker_url, CLK1, messages, together=True)
        fleet.wait_until(lambda end=end: fleet.final() >= end, f"{end} messages have ended", 90)
        memory.append(rss_mib(child.pid))

    lines = fleet.handlers()
    assert Counter(line["id"] for line in lines) == Counter(
        f"{sort.name}-{number}" for number, sort in enumerate(sorts)
    )
    wrong = [line for line in lines if not as_it_should(line)]
    assert not wrong, f"{len(wrong)} ended otherwise, such as {wrong[:5]}"

    large = json.loads(
        fleet.run("handlers", "show", next(line["id"] for line in lines if "large" in line["id"]), "--json")
    )
    assert (large["body_size"], len(large["body"])) == (LARGE, KEPT)

    assert child.running
    assert child.health().status == 200, child.health().red()
    after_first, after_all = memory
    assert after_all - after_first < GROWTH_MIB, (
        f"{after_first:.0f} MiB after {FIRST} messages, {after_all:.0f} MiB after {MESSAGES}"
    )
    assert child.terminate() == 0


def test_what_ends_without_a_run_holds_nothing_up(fleet: Fleet) -> None:
    """Messages that expired before their handler could start make room at once for those behind them."""
    fleet.child("clk1", INTERAPP_PREFETCH="5").wait_ready()
    late, question = BY_NAME["late"], BY_NAME["question"]
    messages = [(late.body, {**late.properties, "message_id": f"late-{number}"}) for number in range(20)]
    fleet.publish(CLK1, [*messages, (question.body, {**question.properties, "message_id": "question-20"})])
    fleet.wait_until(lambda: fleet.final() == 21, "all have ended", 20)
    assert not [line for line in fleet.handlers() if not as_it_should(line)]

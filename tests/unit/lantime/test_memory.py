"""What is remembered of one answer for the next."""

from typing import Any

import pytest

from lantime.status.memory import Memory


class Reader:
    """Reads parts, and counts how often."""

    def __init__(self) -> None:
        self.memory = Memory[str]()
        self.reads = 0

    def look(self, **parts: Any) -> list[str]:
        """Read an answer of these parts."""
        self.memory.next_answer()
        return [self.memory.read(name, part, lambda part=part: self._read(part)) for name, part in parts.items()]  # type: ignore[misc]  # mypy does not follow the default

    def _read(self, part: object) -> str:
        self.reads += 1
        return f"{part!r}, read {self.reads}"


@pytest.fixture
def reader() -> Reader:
    """Nothing was read yet."""
    return Reader()


def test_a_part_that_says_the_same_is_not_read_again(reader: Reader) -> None:
    """A part is read when the device says something else of it, and is what was read before while it says the same."""
    first = reader.look(clk1={"signal": 1}, clk2={"signal": 1})
    again = reader.look(clk1={"signal": 1}, clk2={"signal": 2})
    assert again[0] == first[0]
    assert again[1] == "{'signal': 2}, read 3"


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (None, [])])
def test_what_python_takes_for_the_same_is_not(reader: Reader, before: object, after: object) -> None:
    """A value that is written differently is another one, though Python may say that both are equal."""
    reader.look(clk1={"tfom": before})
    assert reader.look(clk1={"tfom": after}) == [f"{{'tfom': {after!r}}}, read 2"]


def test_what_the_last_answer_did_not_say_is_forgotten(reader: Reader) -> None:
    """Only the answer before counts: a memory does not grow with what a device said once."""
    reader.look(clk1=1)
    reader.look()
    assert reader.look(clk1=1) == ["1, read 2"]


def test_what_is_nested_too_deep_is_read_each_time(reader: Reader) -> None:
    """A part that is too deep to be compared is read, as it would be without a memory."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    reader.memory.read("deep", deep, lambda: "read once")
    assert reader.memory.read("deep", deep, lambda: "read again") == "read again"

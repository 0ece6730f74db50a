"""Values that are quick to make."""

from dataclasses import field, replace

import pytest

from broker.lifecycle.record import record


@record
class Point:
    """A value with a default, and one that is made anew each time."""

    x: int
    y: int = 2
    marks: tuple[str, ...] = field(default_factory=tuple)


def test_a_record_is_a_dataclass() -> None:
    """Records are made by name with their defaults, compared and hashed by value, copied with changes."""
    assert Point(x=1) == Point(x=1, y=2, marks=())
    assert hash(Point(x=1)) == hash(Point(x=1))
    assert Point(x=1) != Point(x=2)
    assert replace(Point(x=1), y=5) == Point(x=1, y=5)
    assert repr(Point(x=1)) == "Point(x=1, y=2, marks=())"


def test_a_record_has_its_fields_and_no_others() -> None:
    """A field that is not given by name, is missing, or is none of them is refused."""
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg, misc]
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Point(x=1).z = 3  # type: ignore[attr-defined]

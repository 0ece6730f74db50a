"""How long a device is left alone between two polls."""

import pytest

from modular_parent.service import rest


@pytest.mark.parametrize(("took", "pause"), [(0.0, 10.0), (4.0, 6.0), (9.5, 1.0), (60.0, 1.0)])
def test_polls_begin_a_period_apart(took: float, pause: float) -> None:
    """The time from one poll to the next is the period, however long the poll took; a slow device has a tenth of it to itself."""
    assert rest(10.0, took) == pause

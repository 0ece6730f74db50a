"""Ids: unique, in the order of time, and the same for the same cause."""

import os
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.lifecycle.ids import derived_id, incarnation_id, new_id, new_ids, short_id, worker_id


def test_a_new_id_is_a_uuid_of_version_7() -> None:
    """A message id is a UUIDv7 whose first 48 bits are the milliseconds since 1970."""
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_new_ids_are_unique() -> None:
    """Ten thousand ids made within a moment are all different, in their shown digits too nearly always."""
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == 10_000
    assert len({short_id(one) for one in made}) > 9_900


def test_new_ids_use_all_their_random_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bit besides time, version and variant is drawn by chance."""
    monkeypatch.setattr(os, "urandom", lambda count: b"\xff" * count)
    ones = uuid.UUID(new_id()).int & (1 << 80) - 1
    monkeypatch.setattr(os, "urandom", bytes)
    zeros = uuid.UUID(new_id()).int & (1 << 80) - 1
    assert (ones ^ zeros).bit_count() == 74


def test_many_ids_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is asked once for all of them; each has random bits of its own."""
    asked: list[int] = []
    draw = os.urandom
    monkeypatch.setattr(os, "urandom", lambda count: asked.append(count) or draw(count))  # type: ignore[func-returns-value]
    made = new_ids(1_000)
    assert (len(asked), len(made), len({one[-12:] for one in made})) == (1, 1_000, 1_000)
    assert {uuid.UUID(one).version for one in made} == {7}
    assert new_ids(0) == []


@given(st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers()), min_size=1))
def test_a_derived_id_follows_from_its_parts(parts: list[object]) -> None:
    """The same parts always give the same id, a UUIDv8; others give another."""
    made = derived_id(*parts)
    assert made == derived_id(*parts)
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (8, uuid.RFC_4122)
    assert made != derived_id(*parts, "more")
    assert made != derived_id("before", *parts)


def test_derived_ids_never_change() -> None:
    """An id derived by an earlier version of the program is derived by this one: else an upgrade would send twice."""
    assert derived_id("message", "user", "app", 0, 1) == "e406d948-48e2-82c3-a08e-355b0434b425"


def test_parts_do_not_run_together() -> None:
    """Two lists of parts that read the same when joined give different ids."""
    assert derived_id("a", "bc") != derived_id("ab", "c")


def test_a_worker_id_names_app_host_and_process() -> None:
    """A worker id tells an operator where the worker runs, and is another one at every start."""
    one, two = (worker_id("m1000-a.clk1", incarnation_id()) for _ in range(2))
    assert one != two
    assert one.startswith("m1000-a.clk1@")
    assert f":{os.getpid()}/" in one
    assert incarnation_id() != incarnation_id()

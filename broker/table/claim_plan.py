"""Decides what a claim takes from the oldest due rows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from broker.lifecycle.state import Reason, State
from broker.table.candidates import Candidate

POISON_CRASHES = 3
"""How many times a row may take down a worker while it runs alone."""

CLAIM_MAX_BYTES = 4 * 1024 * 1024
"""Bodies that one claim brings into memory, in bytes; a single larger one is claimed alone."""


class Take(NamedTuple):
    """A row to run."""

    row: Candidate
    suspect: bool
    crashes: int


class Drop(NamedTuple):
    """A row that ends without a run."""

    row: Candidate
    reason: Reason
    error: str
    crashes: int


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """What the claim does, each list in the order in which the rows were sent."""

    take: list[Take]
    drop: list[Drop]


def plan_claim(candidates: Iterable[Candidate], *, now_ms: int) -> ClaimPlan:
    """Take rows in order; a row that a lost worker held is taken alone, so that a death tells which row killed."""
    take: list[Take] = []
    drop: list[Drop] = []
    size = 0
    for row in candidates:
        recovered = row.state == State.PROCESSING
        crashes = row.crashes + (1 if recovered and row.alone and row.worker_died else 0)
        ended = _ending(row, crashes, now_ms)
        if ended is not None:
            drop.append(Drop(row, *ended, crashes))
            continue
        suspect = recovered or bool(row.suspect)
        size += row.body_size
        if take and (suspect or take[0].suspect or size > CLAIM_MAX_BYTES):
            break
        take.append(Take(row, suspect, crashes))
    return ClaimPlan(take, drop)


def _ending(row: Candidate, crashes: int, now_ms: int) -> tuple[Reason, str] | None:
    if row.cancel_requested:
        return Reason.CANCELLED, "cancelled by an operator"
    if crashes >= POISON_CRASHES:
        return Reason.POISON, f"it took its worker down {crashes} times while it ran alone"
    if row.state == State.WAITING and row.deadline_ms is not None and row.deadline_ms <= now_ms:
        return Reason.EXPIRED, f"its deadline passed {(now_ms - row.deadline_ms) / 1000:.3f} s before it could start"
    return None

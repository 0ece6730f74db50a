"""Entries of a row's history: attempts that did not succeed, and what operators did."""

from broker.table.batch import Batch

INSERT_HISTORY = Batch.insert(
    "history",
    {"seq": "bigint", "at_us": "bigint", "what": "text", "attempt": "integer", "who": "text", "detail": "text"},
)


def entry(seq: int, at_us: int, what: str, attempt: int, who: str, detail: str) -> dict[str, object]:
    """Return an entry as the insert takes it."""
    return {"seq": seq, "at_us": at_us, "what": what, "attempt": attempt, "who": who, "detail": detail}

"""Queries as the drivers take them."""

import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from broker.table.claim_statements import CANDIDATES, CLAIM_PLAIN
from broker.table.query import Query


def test_a_query_is_one_line() -> None:
    """What is indented in the source is not sent."""
    assert Query("SELECT a\n    FROM b\n    WHERE c = :c").sqlite == "SELECT a FROM b WHERE c = :c"


@pytest.mark.parametrize("query", [CANDIDATES, CLAIM_PLAIN])
def test_the_claim_is_short_enough_to_be_kept(query: Query) -> None:
    """PostgreSQL's driver takes a longer query apart again each time it is run."""
    assert len(query._for_driver) <= MAX_CACHED_STATEMENT_LENGTH

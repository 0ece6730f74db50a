"""PostgreSQL reads a batch's arrays as what was written."""

from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.table.encoded import array
from broker.table.encoded_dumper import register

TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
COLUMNS = st.one_of(
    st.tuples(st.just("text"), st.lists(TEXTS)),
    st.tuples(st.just("bytea"), st.lists(st.none() | st.binary())),
    st.tuples(st.just("bigint"), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just("boolean"), st.lists(st.none() | st.booleans())),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=COLUMNS)
def test_any_column_comes_back(postgres_url: str, column: tuple[str, list[Any]]) -> None:
    """Whatever a batch holds, the database gets it unchanged and in its order."""
    kind, values = column
    with psycopg.connect(postgres_url) as connection:
        register(connection)
        query = f"SELECT value FROM unnest(%s::{kind}[]) WITH ORDINALITY AS t(value, position) ORDER BY position"
        found = connection.execute(query, [array(kind, values)]).fetchall()
    assert [value for (value,) in found] == values

"""Two indexes for what is looked for among rows that wait for a later time, of which there may be very many.

Retries by when they were scheduled: whoever takes a lease looks for those from before a clock was set back. And what waits of calls
that end with their first failure: nothing else of those is claimed meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RETRIED = "CASE WHEN state = 'waiting' AND due_us > 0 THEN started_us END"


def upgrade() -> None:
    """Add a column that follows from the others; PostgreSQL writes the whole table anew for it, SQLite nothing."""
    stored = op.get_bind().dialect.name == "postgresql"
    column = sa.Column("retried_us", sa.BigInteger(), sa.Computed(RETRIED, persisted=stored), nullable=True)
    op.add_column("messages", column)
    there = sa.text("retried_us IS NOT NULL")
    op.create_index(
        "messages_retried", "messages", ["destination", "retried_us"], postgresql_where=there, sqlite_where=there
    )
    delayed = sa.text("open AND stop_on_failure AND due_us > 0")
    op.create_index(
        "messages_delayed", "messages", ["destination", "due_us"], postgresql_where=delayed, sqlite_where=delayed
    )

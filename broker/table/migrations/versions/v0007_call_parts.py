"""Where a call's rows are, in a table of their own, in place of an index to which each insert and each outcome added an entry."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SAME = "call_id, source, destination, amqp_user, call_size, stop_on_failure"


def upgrade() -> None:
    """Make the table, and note the calls that are there; of foreign ones, which lie scattered, each row."""
    op.create_table(
        "call_parts",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("amqp_user", sa.Text(), nullable=False),
        sa.Column("call_size", sa.Integer(), nullable=False),
        sa.Column("stop_on_failure", sa.Boolean(), nullable=False),
        sa.Column("sent_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "first_seq"),
    )
    op.execute(
        f"INSERT INTO call_parts ({SAME}, sent_us, first_seq, last_seq)"  # noqa: S608 names are ours
        f" SELECT {SAME}, min(sent_us), min(seq), max(seq) FROM messages WHERE call_size <> 1"
        f" GROUP BY {SAME}, CASE WHEN call_size = 0 THEN seq END"
    )
    op.drop_index("messages_call", "messages")

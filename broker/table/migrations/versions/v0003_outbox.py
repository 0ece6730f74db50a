"""One entry in the outbox for all that a sender commits at once, in place of a mark in each row."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the outbox with what was not confirmed; drop the marks and their index."""
    op.create_table(
        "outbox",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=True),
            primary_key=True,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("amqp_user", sa.Text(), nullable=False),
        sa.Column("sent_us", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO outbox (source, amqp_user, sent_us, first_seq, last_seq)"
        " SELECT source, amqp_user, sent_us, seq, seq FROM messages WHERE open AND NOT published ORDER BY seq"
    )
    op.drop_index("messages_unpublished", "messages")
    op.drop_column("messages", "published")

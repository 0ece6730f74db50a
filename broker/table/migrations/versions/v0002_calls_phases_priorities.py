"""Calls, phases, progress, priorities; replies before the final one; the newest event of each source and kind."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables; the claim goes by due time and priority now, so its index does."""
    for column in (
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("call_size", sa.Integer(), server_default="1", nullable=False),
        sa.Column("stop_on_failure", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("phases", sa.Text(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.Column("reply_version", sa.Integer(), nullable=True),
    ):
        op.add_column("messages", column)
    # A claim ends the waiting for a time; rows that were claimed before it did so are found among those that wait for none.
    op.execute("UPDATE messages SET due_us = 0 WHERE state = 'processing'")
    op.drop_index("messages_open", "messages")
    op.create_index(
        "messages_open",
        "messages",
        ["destination", "due_us", sa.text("priority DESC"), "seq"],
        unique=False,
        postgresql_where=sa.text("open"),
        sqlite_where=sa.text("open"),
    )
    op.drop_index("messages_ordered", "messages")
    op.create_index(
        "messages_ordered",
        "messages",
        ["destination", sa.text("priority DESC"), "seq"],
        unique=False,
        postgresql_where=sa.text("open AND ordered"),
        sqlite_where=sa.text("open AND ordered"),
    )
    op.create_index(
        "messages_call",
        "messages",
        ["call_id", "seq"],
        unique=False,
        postgresql_where=sa.text("call_size <> 1"),
        sqlite_where=sa.text("call_size <> 1"),
    )
    op.create_table(
        "replies",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "number"),
    )
    op.create_table(
        "last_events",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("amqp_user", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sent_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind"),
    )

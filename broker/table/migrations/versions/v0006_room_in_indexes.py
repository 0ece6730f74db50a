"""Room in each page of PostgreSQL's indexes that an outcome writes to: it adds an entry beside the one of the version before."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave room for as many new entries as a page has; pages that are there stay as full as they are."""
    if op.get_bind().dialect.name == "postgresql":
        for index in ("messages_pkey", "messages_identity", "messages_call"):
            op.execute(f"ALTER INDEX {index} SET (fillfactor = 50)")

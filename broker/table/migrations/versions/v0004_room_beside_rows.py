"""Room in each of PostgreSQL's pages, so that a claim writes the new version of a row beside the old one."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave room for as many new versions as a page has rows; pages that are there stay as full as they are."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE messages SET (fillfactor = 45)")

"""Alembic's entry: runs inside the transaction that ``broker.table.upgrade`` holds."""

from alembic import context

from broker.table.storage import complete

context.configure(connection=context.config.attributes["connection"], target_metadata=complete, transactional_ddl=False)
context.run_migrations()

"""Brings the database to the version this program needs, one process at a time."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import SettingError, TableDamaged, TableError, TableUnavailable
from broker.table.database import Database
from broker.table.schema import metadata
from broker.table.sqlite_trouble import DAMAGED

REVISION = "0007"
"""The newest migration. A test compares it with the migrations themselves."""

UPGRADE_LOCK = 0x696E746572617070
"""Key of the PostgreSQL advisory lock that one upgrading process holds ("interapp" in ASCII)."""


def revision(database: Database) -> str | None:
    """Return the migration the database is at; None when it has no tables of ours.

    Raises SettingError when it is a file that is no database, or a damaged one; TableUnavailable.
    """
    try:
        with database.read() as connection:
            return _revision(connection)
    except TableDamaged as error:
        raise SettingError("INTERAPP_DATABASE_URL", database.shown_url, DAMAGED) from error


def upgrade(database: Database) -> str | None:
    """Bring the database to REVISION under a lock; return the migration it was at before.

    Harmless when it is there already. Raises TableUnavailable, TableError when the database is newer than this program, or
    SettingError when it can never be ours: the file is no database, or has another program's tables.
    """
    if database.exists() and (present := revision(database)) == REVISION:
        return present
    if database.file is not None:
        try:
            database.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise TableUnavailable(f"the folder of {database.shown_url} cannot be made: {exc.strerror}") from exc
    with database.write(patient=True) as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        before = _revision(connection)
        if before != REVISION:
            _migrate(connection, before, database.shown_url)
    return before


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, before: str | None, shown_url: str) -> None:
    # Alembic takes longer to import than a listing takes to print, and most starts need no migration.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "broker.table:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in known:
        raise TableError(
            f"the database {shown_url} is at version {before}, which this interapp does not know"
            f" (it knows up to {REVISION}): update interapp"
        )
    if before is None and (foreign := sorted(metadata.tables.keys() & sa.inspect(connection).get_table_names())):
        raise SettingError(
            "INTERAPP_DATABASE_URL",
            shown_url,
            f"another program keeps its tables there ({', '.join(foreign)}); name a database of interapp's own",
        )
    command.upgrade(config, "head")

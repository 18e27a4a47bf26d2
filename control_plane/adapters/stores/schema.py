"""Brings a database to the tables that this Tidegate knows, when a store is opened."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from control_plane.adapters.stores.database import Database
from control_plane.errors import ConfigurationError

VERSION_TABLE = "schema_version"
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_TIMEOUT_S = 60.0

# Any number that nobody else takes.
_ADVISORY_LOCK = 0x7469_6465


async def migrate(database: Database) -> None:
    """One at a time, however many planes open the store at once.

    Raises StoreUnavailable, and ConfigurationError for a database that a newer Tidegate made.
    """
    async with database.writing(timeout_s=MIGRATION_TIMEOUT_S) as connection:
        await connection.run_sync(upgrade)


def upgrade(connection: Connection) -> None:
    """Within the transaction of this connection, which is the lock on SQLite."""
    if connection.dialect.name == "postgresql":
        # The limits of a single operation are not a migration's.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    config = Config()
    # A percent sign would begin a reference to another option.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    opts = {"version_table": VERSION_TABLE}
    current = MigrationContext.configure(connection, opts=opts).get_current_revision()
    if current == newest:
        return
    if current is not None and current not in {one.revision for one in scripts.walk_revisions()}:
        raise ConfigurationError(
            f"the state store was made by a newer Tidegate: its tables are version {current}, "
            f"and this one knows them up to {newest}",
            field="store.url",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

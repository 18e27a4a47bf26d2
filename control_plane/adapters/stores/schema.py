"""Brings a database to the tables that this Tidegate knows, when a store is opened."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from control_plane.adapters.stores.database import Database
from control_plane.adapters.stores.location import locate
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
    # Mostly there is nothing to do, and no reason to wait for who is writing.
    async with database.reading() as connection:
        if await connection.run_sync(is_current):
            return
    async with database.writing(timeout_s=MIGRATION_TIMEOUT_S) as connection:
        await connection.run_sync(upgrade)


async def version_of(location: str | Path, *, timeout_s: float) -> str | None:
    """The version of a store's tables, which stay as they are; None while there are none.

    SQLite's file has to be there. Raises as ``migrate`` does, for tables that are too new too.
    """
    database = Database(locate(location), timeout_s=timeout_s, pool_size=1)
    try:
        async with database.reading() as connection:
            await connection.run_sync(is_current)
            return await connection.run_sync(_version)
    finally:
        await database.dispose()


def is_current(connection: Connection) -> bool:
    """Raises ConfigurationError for tables of a newer Tidegate."""
    scripts = ScriptDirectory.from_config(_config())
    newest = scripts.get_current_head()
    current = _version(connection)
    if current is not None and current not in {one.revision for one in scripts.walk_revisions()}:
        raise ConfigurationError(
            f"the state store was made by a newer Tidegate: its tables are version {current}, "
            f"and this one knows them up to {newest}",
            field="store.url",
        )
    return current == newest


def _version(connection: Connection) -> str | None:
    opts = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=opts).get_current_revision()


def upgrade(connection: Connection) -> None:
    """Within the transaction of this connection, which is the lock on SQLite."""
    if connection.dialect.name == "postgresql":
        # The limits of a single operation are not a migration's.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    # Another one may have done it in the meantime.
    if is_current(connection):
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    # A percent sign would begin a reference to another option.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config

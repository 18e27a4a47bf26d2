"""Transactions on a database: SQLite or Postgres, each within its time and with one error.

Reads see one snapshot. Writes follow one another: on SQLite by ``BEGIN IMMEDIATE``, on Postgres
by the rows that the statements lock. Whatever goes wrong in the database or on the way to it is
StoreUnavailable. After that error a write may have been committed nevertheless, if the answer
was lost: who wrote looks again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import ColumnElement, Connection, Double, event, literal_column, select
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from control_plane.adapters.stores.documents import UnreadableDocument
from control_plane.adapters.stores.location import Location, make_file
from control_plane.adapters.stores.turns import Turns
from control_plane.ports import StoreUnavailable

# What a driver raises by itself where SQLAlchemy does not wrap it: while connecting.
_FAILURES = (
    SQLAlchemyError,
    OSError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    UnreadableDocument,
)
# How long a thread waits for SQLite's lock; who wants it longer asks again, and can be
# cancelled in between. A small share of the time limit, so that the last try ends within it and
# says what was waited for.
_BUSY_S, _BUSY_SHARE = 0.25, 0.2
_WAL_PAUSE_S = 0.01

# The clock as it is now, and not when the transaction began: it may have waited since.
_NOW_S = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
}


class Database:
    """A pool of connections to one database. ``dispose`` closes them."""

    def __init__(self, location: Location, *, timeout_s: float, pool_size: int) -> None:
        self._location = location
        self._timeout_s = timeout_s
        self._engine = _engine(location, timeout_s, pool_size)
        self._readers, self._writers = self._engine, self._engine
        # Waiting writers of this process queue up here; SQLite would let them take chances.
        self._turns: Turns | None = None
        # Which file was opened, on SQLite.
        self._file: tuple[int, int] | None = None
        if location.is_sqlite:
            self._writers = self._engine.execution_options(begin="")
            self._turns = Turns()
        else:
            self._readers = self._engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    def __repr__(self) -> str:
        return f"<Database {self._location}>"

    async def prepare(self) -> None:
        """What must be so before the first transaction. Raises ConfigurationError."""
        if self._location.is_sqlite:
            async with self._limited(self._timeout_s):
                make_file(self._location.path)
                await asyncio.to_thread(_keep_a_write_ahead_log, self._location, self._timeout_s)
                self._file = _identity(self._location.path)

    async def dispose(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One snapshot. Raises StoreUnavailable."""
        self._check_file()
        async with self._limited(self._timeout_s), self._readers.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(
        self, *, timeout_s: float | None = None, is_patient: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, and undoes all of it on any exception. Raises StoreUnavailable.

        is_patient: lets others of this process go ahead, where writers wait for one another.
        """
        limit_s = timeout_s or self._timeout_s
        self._check_file()
        async with self._limited(limit_s):
            if self._turns is None:
                async with self._writers.begin() as connection:
                    yield connection
                return
            async with (
                self._turns.turn(is_patient=is_patient),
                self._writers.begin() as connection,
            ):
                await self._take_lock(connection, within_s=limit_s - 2 * _busy_s(limit_s))
                yield connection

    async def _take_lock(self, connection: AsyncConnection, *, within_s: float) -> None:
        give_up_s = time.monotonic() + within_s
        while True:
            try:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if not _is_busy(error) or time.monotonic() >= give_up_s:
                    raise
            else:
                return

    def _check_file(self) -> None:
        """Raises StoreUnavailable when the file that was opened is not where it was any more.

        What is written to one that was moved or removed is read by nobody else, and whoever
        starts next makes a new one, and leads beside us.
        """
        if self._file is not None and _identity(self._location.path) != self._file:
            raise StoreUnavailable(
                f"the state store ({self._location}) was moved, removed or replaced since it was "
                f"opened; put it back, or restart this control plane"
            )

    @asynccontextmanager
    async def _limited(self, timeout_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError:
            raise StoreUnavailable(
                f"the state store ({self._location}) did not answer within {timeout_s:g} s"
            ) from None
        except _FAILURES as error:
            raise StoreUnavailable(self._words(error)) from None

    def _words(self, error: Exception) -> str:
        """Of the cause alone: SQLAlchemy's own hold the statement and its values."""
        cause = (isinstance(error, DBAPIError) and error.orig) or error
        why = (str(cause).strip() or type(cause).__name__).splitlines()[0][:300]
        password = self._location.password
        if password:
            why = why.replace(password, "***")
        return f"the state store ({self._location}) is not available: {why}"


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies there; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _busy_s(limit_s: float) -> float:
    return min(_BUSY_S, limit_s * _BUSY_SHARE)


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    # The low byte is the kind of error, the rest says more.
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


async def now_s(connection: AsyncConnection) -> float:
    """The database's clock, in seconds since the epoch."""
    return float((await connection.execute(select(clock(connection)))).scalar_one())


def clock(connection: AsyncConnection) -> ColumnElement[Any]:
    """What ``now_s`` asks for, for a statement that asks for more."""
    return literal_column(_NOW_S[connection.dialect.name], Double())


def _engine(location: Location, timeout_s: float, pool_size: int) -> AsyncEngine:
    common: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": timeout_s,
        "hide_parameters": True,
    }
    if not location.is_sqlite:
        # A plane that stops in the middle of a transaction must not hold the others up.
        limit_ms = str(max(1, int(timeout_s * 1000)))
        limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        arguments = {
            "timeout": timeout_s,
            "command_timeout": timeout_s,
            "server_settings": {"application_name": "tidegate", **dict.fromkeys(limits, limit_ms)},
        }
        return create_async_engine(
            location.url, connect_args=arguments, pool_pre_ping=True, **common
        )
    arguments = {"timeout": _busy_s(timeout_s), "factory": _SqliteConnection}
    engine = create_async_engine(location.url, connect_args=arguments, **common)
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


class _SqliteConnection(sqlite3.Connection):
    """Closed, it keeps nobody from writing.

    Python's own goes on with its transaction as long as anything has a cursor of it: of a write
    that was cut off that may be an exception, which lives until the garbage is collected.
    """

    def close(self) -> None:
        try:
            with suppress(sqlite3.Error):
                self.rollback()
        finally:
            super().close()


def _set_up_sqlite(connection: Any, record: object) -> None:
    del record
    # Transactions are begun below and not by the driver, which would not begin one to read.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # FULL: a rollback that was answered is on the disk, also if the power fails. With NORMAL
    # only the file would stay whole. It costs a write to the disk for each of a few a second.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get("begin", "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _keep_a_write_ahead_log(location: Location, timeout_s: float) -> None:
    """Readers and the writer do not wait for each other. The file remembers it.

    Two who say so at once of a new file: SQLite refuses one without waiting.
    """
    busy_s = _busy_s(timeout_s)
    give_up_s = time.monotonic() + timeout_s - 2 * busy_s
    with closing(sqlite3.connect(location.path, timeout=busy_s)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() >= give_up_s:
                    raise
                time.sleep(_WAL_PAUSE_S)
            else:
                return

"""Where a store is: which URLs there are, and how one is shown without its password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from control_plane.adapters.private_files import make_private_file
from control_plane.errors import ConfigurationError

FIELD = "store.url"
DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
KNOWN = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class Location:
    """A database's place. Its words and its repr never hold a password."""

    url: URL

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path:
        """Of SQLite's file."""
        return Path(self.url.database or "")

    @property
    def password(self) -> str | None:
        return None if self.url.password is None else str(self.url.password)

    def __str__(self) -> str:
        if self.is_sqlite:
            return f"sqlite {self.path}"
        # The query may name the folder of a socket, and secrets as well: only the first is shown.
        host = self.url.host or self.url.query.get("host", "localhost")
        port = f":{self.url.port}" if self.url.port else ""
        return f"postgresql {host}{port}/{self.url.database}"

    def __repr__(self) -> str:
        return f"<Location {self}>"


def locate(location: str | Path) -> Location:
    """location: a path is SQLite's file. Raises ConfigurationError, without the URL."""
    if isinstance(location, Path):
        return Location(URL.create(DRIVERS["sqlite"], database=str(location)))
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{FIELD} should be {KNOWN}", field=FIELD) from None
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise ConfigurationError(
            f"{FIELD} should be {KNOWN}; there is no store for {url.drivername[:40]!r}", field=FIELD
        )
    # A password with an @ that was not written as %40 reaches into the host.
    if "@" in (url.host or ""):
        raise ConfigurationError(f"{FIELD} should be {KNOWN}, with %40 for @", field=FIELD)
    found = Location(url.set(drivername=driver))
    if found.is_sqlite and url.database in (None, "", ":memory:"):
        raise ConfigurationError(f"{FIELD} should name SQLite's file: sqlite:///PATH", field=FIELD)
    # As libpq calls it, and so most people; the driver calls it by another name.
    if "sslmode" in url.query:
        query = {**found.url.query, "ssl": found.url.query["sslmode"]}
        del query["sslmode"]
        found = Location(found.url.set(query=query))
    return found


def make_file(path: Path) -> None:
    """SQLite's file and its folder, for their owner alone. Raises ConfigurationError."""
    try:
        make_private_file(path)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"the state store {path} cannot be opened for writing: {why}", field=FIELD
        ) from None

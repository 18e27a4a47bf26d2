from __future__ import annotations

import stat
from pathlib import Path

import pytest

from control_plane.adapters.stores.location import locate, make_file
from control_plane.errors import ConfigurationError

URL = "postgresql://ada:hunter2@db.example:5433/tidegate?sslmode=require&application_name=hunter2"


def test_a_path_is_a_file_of_sqlite_whatever_is_in_its_name() -> None:
    path = Path("/var/lib/a?b#c%20d@e/tidegate.db")

    location = locate(path)

    assert location.is_sqlite
    assert location.path == path
    assert str(location) == f"sqlite {path}"


@pytest.mark.parametrize(
    ("url", "path"), [("sqlite:///x/t.db", "x/t.db"), ("sqlite:////x/t.db", "/x/t.db")]
)
def test_a_url_may_name_a_file(url: str, path: str) -> None:
    assert locate(url).path == Path(path)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_server_is_named_without_its_secrets(scheme: str) -> None:
    location = locate(URL.replace("postgresql", scheme, 1))

    assert not location.is_sqlite
    assert location.password == "hunter2"
    assert location.url.query == {"ssl": "require", "application_name": "hunter2"}
    assert str(location) == "postgresql db.example:5433/tidegate"
    assert "hunter2" not in repr(location)


def test_a_socket_is_named_by_its_folder() -> None:
    assert str(locate("postgresql://ada@/t?host=/run/pg")) == "postgresql /run/pg/t"


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "mysql://ada:hunter2@db/t",
        "postgresql+psycopg://ada:hunter2@db/t",
        "postgresql://ada:x@hunter2@db/t",
        "postgresql://ada:hunter2@db:port/t",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_what_is_no_store_is_refused_without_its_words(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        locate(url)

    assert caught.value.field == "store.url"
    assert "hunter2" not in caught.value.message


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state" / "tidegate.db"

    make_file(path)
    make_file(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "tidegate.db"):
        with pytest.raises(ConfigurationError, match="cannot be opened for writing"):
            make_file(path)

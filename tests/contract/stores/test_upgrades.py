"""Databases of earlier Tidegates: brought to the tables of now, with all that is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from control_plane.adapters.stores import SqlFeedback, open_store
from control_plane.adapters.stores.database import Database
from control_plane.adapters.stores.feedback_rows import write_kept
from control_plane.adapters.stores.location import locate
from control_plane.adapters.stores.schema import MIGRATIONS, VERSION_TABLE
from control_plane.adapters.stores.tables import METADATA
from control_plane.core.accuracy import KeptDetection, KeptResult
from control_plane.core.state import Change
from tests.contract.stores import samples

TIMEOUT_S = 30.0
EARLIER = ("0001", "0002", "0003", "0004")
CHANGE = Change({"damage": samples.engine_state()}, samples.table(), audit=(samples.entry(),))
RESULTS = {"volume": KeptResult("1.0.0", {"volume_m3": 2.5})}
KEPT = text(
    "INSERT INTO kept_detections (at_s, request_id, detection_id, document) "
    "VALUES (1.0, 'r-old', 'd-old', :document)"
)


def config_for(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


async def made_by_an_earlier_one(location: str | Path, version: str) -> None:
    """With an answer in it, if answers were kept by then."""

    def fill(connection: Connection) -> None:
        command.upgrade(config_for(connection), version)
        if version >= "0003":
            document = write_kept(KeptDetection("r-old", "d-old", RESULTS))
            connection.execute(KEPT, {"document": document})

    database = Database(locate(location), timeout_s=TIMEOUT_S, pool_size=1)
    try:
        await database.prepare()
        async with database.writing() as connection:
            await connection.run_sync(fill)
    finally:
        await database.dispose()


def differences(connection: Connection) -> list[object]:
    opts = {"version_table": VERSION_TABLE, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=opts), METADATA))


def test_every_earlier_version_is_tried() -> None:
    scripts = ScriptDirectory.from_config(config_for())
    versions = sorted(one.revision for one in scripts.walk_revisions())
    assert versions == [*EARLIER, scripts.get_current_head()]


@pytest.mark.parametrize("version", EARLIER)
async def test_its_tables_become_those_that_the_code_knows(
    location: str | Path, version: str
) -> None:
    await made_by_an_earlier_one(location, version)
    async with open_store(location, timeout_s=TIMEOUT_S) as store:
        async with store.database.reading() as connection:
            assert await connection.run_sync(differences) == []
        written = await store.write(CHANGE, expected=0)
        assert await store.read() == written


@pytest.mark.parametrize("version", ["0003", "0004"])
async def test_an_answer_that_was_kept_without_its_correlation_id_is_found_by_the_others(
    location: str | Path, version: str
) -> None:
    await made_by_an_earlier_one(location, version)
    async with open_store(location, timeout_s=TIMEOUT_S) as store:
        feedback = SqlFeedback(store.database)
        for name in ("r-old", "d-old"):
            assert await feedback.find(name) == KeptDetection("r-old", "d-old", RESULTS)
        await feedback.keep([KeptDetection("r-new", "d-new", RESULTS, "c")])
        assert await feedback.requests_of("c", limit=9) == ("r-new",)
        assert await feedback.forget(most=1, keep_s=1e12, limit=9) == 1
        assert await feedback.find("r-old") is None

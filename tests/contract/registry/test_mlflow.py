"""What only MLflow has: tags and aliases that others write too, and a server that may be away."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow import MlflowRegistry, local_uri
from control_plane.bootstrap.registration import make_registry
from control_plane.core.catalogue import Release
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.ports import RegistryUnavailable
from control_plane.settings import RegistrySettings, Settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Open = Callable[..., MlflowRegistry]
STABLE = Release("roof", "1.0.0", {"detector": 1}, True)


class Site:
    """An engine in MLflow, and the hands of a person in its web page."""

    def __init__(self, registry: MlflowRegistry, url: str, engine: str) -> None:
        from mlflow import MlflowClient

        self.registry, self.engine = registry, engine
        self.client: Any = MlflowClient(tracking_uri=url, registry_uri=url)

    def release(self, version: str, pin: int = 1) -> Release:
        return Release(self.engine, version, {"detector": pin}, True)

    async def add(self, release: str, pin: int = 2) -> None:
        record = ReleaseRecord(self.engine, release, {"detector": pin})
        await self.registry.add(record, None)

    async def create(self, tags: dict[str, str]) -> int:
        def create() -> int:
            run_id = self.client.create_run("0").info.run_id
            source = f"runs:/{run_id}/model"
            version = self.client.create_model_version(self.engine, source, run_id, tags)
            return int(version.version)

        return await asyncio.to_thread(create)

    async def aliases(self) -> dict[str, str]:
        """By alias the release that it points to."""

        def read() -> dict[str, str]:
            aliases = self.client.get_registered_model(self.engine).aliases
            return {
                alias: self.client.get_model_version(self.engine, str(number)).tags[
                    "tidegate.release"
                ]
                for alias, number in aliases.items()
            }

        return await asyncio.to_thread(read)

    async def point(self, alias: str, number: int) -> None:
        await asyncio.to_thread(
            self.client.set_registered_model_alias, self.engine, alias, str(number)
        )

    async def read(self) -> tuple[list[str], list[str]]:
        """The engine's releases, and what is complained of it."""
        found = await self.registry.read()
        releases = [each.release for each in found.records if each.engine == self.engine]
        return releases, [each for each in found.complaints if repr(self.engine) in each]


@pytest.fixture
def site(mlflow_url: str, open_mlflow: Open) -> Site:
    """An engine that no other test uses."""
    return Site(open_mlflow(mlflow_url), mlflow_url, f"roof-{secrets.token_hex(4)}")


async def test_a_version_has_tags_and_its_file(site: Site, tmp_path: Path) -> None:
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"network" * 1000)
    record = ReleaseRecord(
        site.engine, "1.2.0", {"detector": 2}, onnx_sha256="0f" * 32, who="ann", reason="better"
    )
    await site.registry.add(record, onnx)
    version = await asyncio.to_thread(site.client.get_model_version, site.engine, "1")
    assert version.tags == {
        "tidegate.release": "1.2.0",
        "tidegate.pins": '{"detector": 2}',
        "tidegate.onnx_sha256": "0f" * 32,
        "tidegate.who": "ann",
        "tidegate.reason": "better",
    }
    assert version.description == "better"
    downloaded = await asyncio.to_thread(
        site.client.download_artifacts, version.run_id, "model", str(tmp_path)
    )
    assert (Path(downloaded) / "model.onnx").read_bytes() == onnx.read_bytes()
    assert json.loads((Path(downloaded) / "release.json").read_text())["pins"] == {"detector": 2}
    model = await asyncio.to_thread(site.client.get_registered_model, site.engine)
    assert model.tags == {"tidegate.engine": site.engine}


async def test_tables_of_its_own_are_read_by_nobody_else(open_mlflow: Open, tmp_path: Path) -> None:
    state = tmp_path / "state"
    registry = open_mlflow(local_uri(state))
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"network")
    await registry.add(ReleaseRecord("roof", "1.2.0", {"detector": 2}), onnx)
    assert (await registry.read()).records
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (state, *state.iterdir())}
    assert modes == {"state": "0o700", "mlflow.db": "0o600", "mlflow-artifacts": "0o700"}


async def test_what_was_registered_as_files_is_told_apart(
    mlflow_tables: str, tmp_path: Path
) -> None:
    """By the registry that the settings make, whose folder is the model repository."""
    files, engine = FileRegistry(tmp_path), f"roof-{secrets.token_hex(4)}"
    before, after = (ReleaseRecord(engine, each, {"detector": 2}) for each in ("1.1.0", "1.2.0"))
    await files.add(before, None)
    asked = RegistrySettings(kind="mlflow", tracking_uri=mlflow_tables, timeout_s=30)
    registry = make_registry(Settings(model_repository=tmp_path, registry=asked), dict)
    await registry.add(after, None)
    found = await registry.read()
    await registry.close()
    assert found.files == (before,)
    assert [each for each in found.records if each.engine == engine] == [after]


async def test_a_folder_of_files_that_cannot_be_read_is_no_failure(
    open_mlflow: Open, mlflow_tables: str, tmp_path: Path
) -> None:
    class Unreadable(FileRegistry):
        async def read(self) -> Registered:
            raise RegistryUnavailable("no such folder")

    found = await open_mlflow(mlflow_tables, files=Unreadable(tmp_path)).read()
    assert found.files == ()


class TestAliases:
    async def test_stable_and_canary_are_kept_true(self, site: Site) -> None:
        await site.add("1.1.0")
        await site.add("1.2.0")
        old, new = site.release("1.1.0"), site.release("1.2.0")
        await site.registry.mark(site.engine, stable=old, canary=new)
        assert await site.aliases() == {"stable": "1.1.0", "canary": "1.2.0"}
        await site.point("stable", 2)  # somebody moves it by hand
        await site.registry.mark(site.engine, stable=old, canary=new)
        assert await site.aliases() == {"stable": "1.1.0", "canary": "1.2.0"}
        await site.registry.mark(site.engine, stable=new, canary=None)
        assert await site.aliases() == {"stable": "1.2.0"}

    async def test_a_declared_release_becomes_a_version_once_it_is_marked(
        self, mlflow_url: str, open_mlflow: Open, tmp_path: Path
    ) -> None:
        onnx = tmp_path / "model.onnx"
        onnx.write_bytes(b"network")
        registry = open_mlflow(mlflow_url, file_of=lambda _: onnx)
        site = Site(registry, mlflow_url, "declared")
        for _ in range(2):
            await registry.mark("declared", stable=site.release("1.0.0"), canary=None)
        assert await site.aliases() == {"stable": "1.0.0"}
        found = [each for each in (await registry.read()).records if each.engine == "declared"]
        assert found == [
            ReleaseRecord("declared", "1.0.0", {"detector": 1}, reason="declared in releases.yaml")
        ]

    async def test_the_alias_candidate_is_what_somebody_wants(self, site: Site) -> None:
        await site.add("1.1.0")
        await site.add("1.2.0")
        assert site.engine not in await site.registry.candidates()
        await site.point("candidate", 2)
        assert (await site.registry.candidates())[site.engine] == "1.2.0"

    async def test_a_candidate_that_was_taken_is_none_any_more(self, site: Site) -> None:
        await site.add("1.1.0")
        await site.add("1.2.0")
        stable, canary = site.release("1.1.0"), site.release("1.2.0")
        await site.point("candidate", 2)
        await site.registry.mark(site.engine, stable=stable, canary=None, taken="1.1.0")
        assert (await site.registry.candidates())[site.engine] == "1.2.0"
        await site.registry.mark(site.engine, stable=stable, canary=canary, taken="1.2.0")
        assert site.engine not in await site.registry.candidates()
        assert await site.aliases() == {"stable": "1.1.0", "canary": "1.2.0"}

    async def test_a_candidate_without_a_release_is_none(self, site: Site) -> None:
        await site.add("1.1.0")
        await site.point("candidate", await site.create({}))
        assert site.engine not in await site.registry.candidates()


class TestTags:
    @pytest.mark.parametrize(
        ("tags", "complaint"),
        [
            ({"tidegate.pins": '{"detector": 3}'}, " has no tag tidegate.release"),
            ({"tidegate.release": "1.3.0"}, " has no tag tidegate.pins"),
            (
                {"tidegate.release": "1.3", "tidegate.pins": "{}"},
                ": tag tidegate.release: '1.3' is not a semantic version such as 1.2.0",
            ),
            (
                {"tidegate.release": "1.3.0", "tidegate.pins": "detector=3"},
                ": tag tidegate.pins is no JSON: 'detector=3'",
            ),
            (
                {"tidegate.release": "1.3.0", "tidegate.pins": '["detector"]'},
                ": tag tidegate.pins is no mapping of components to versions",
            ),
            (
                {"tidegate.release": "1.3.0", "tidegate.pins": '{"detector": "3"}'},
                ": tag tidegate.pins.detector is '3', which is no version such as 3",
            ),
            (
                {
                    "tidegate.release": "1.3.0",
                    "tidegate.pins": "{}",
                    "tidegate.onnx_sha256": "abc",
                },
                ": tag tidegate.onnx_sha256 is no SHA-256 in 64 hexadecimal digits",
            ),
        ],
    )
    async def test_a_version_with_wrong_tags_is_left_out_and_the_rest_serves(
        self, site: Site, tags: dict[str, str], complaint: str
    ) -> None:
        await site.add("1.1.0")
        number = await site.create(tags)
        await site.add("1.4.0")
        assert await site.read() == (
            ["1.1.0", "1.4.0"],
            [
                f"version {number} of registered model '{site.engine}' in MLflow{complaint}; "
                "it is left out"
            ],
        )

    async def test_a_second_version_of_a_release_is_left_out(self, site: Site) -> None:
        await site.add("1.1.0")
        await site.create({"tidegate.release": "1.1.0", "tidegate.pins": '{"detector": 9}'})
        assert await site.read() == (
            ["1.1.0"],
            [
                f"version 2 of registered model '{site.engine}' in MLflow is a second one of "
                "release 1.1.0, which version 1 is; it is left out"
            ],
        )

    async def test_a_registered_model_of_another_name_may_be_an_engines(self, site: Site) -> None:
        name = f"acme-{site.engine}"
        await asyncio.to_thread(
            site.client.create_registered_model, name, {"tidegate.engine": site.engine}
        )
        await site.add("1.1.0")
        version = await asyncio.to_thread(site.client.get_model_version, name, "1")
        assert version.tags["tidegate.release"] == "1.1.0"
        await asyncio.to_thread(
            site.client.create_registered_model, f"b{name}", {"tidegate.engine": site.engine}
        )
        (complaint,) = (await site.read())[1]
        assert complaint == (
            f"registered model 'b{name}' in MLflow has the tag tidegate.engine "
            f"'{site.engine}', as '{name}' has; it is left out"
        )

    async def test_somebody_elses_registered_model_is_let_be(self, site: Site) -> None:
        await asyncio.to_thread(site.client.create_registered_model, site.engine)
        assert await site.read() == ([], [])
        with pytest.raises(RegistryUnavailable, match=r"without the tag tidegate\.engine; set it"):
            await site.add("1.1.0")


class TestAway:
    async def test_nobody_listens(self, open_mlflow: Open) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        registry = open_mlflow(url, timeout_s=20.0)
        with pytest.raises(RegistryUnavailable, match=f"MLflow at {url}: Connection refused"):
            await registry.read()
        record = ReleaseRecord("roof", "1.0.0", {})
        for asked in (
            registry.candidates(),
            registry.add(record, None),
            registry.mark("roof", stable=STABLE, canary=None),
        ):
            with pytest.raises(RegistryUnavailable):
                await asked

    async def test_a_server_that_hangs_is_not_waited_for(self, open_mlflow: Open) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            registry = open_mlflow(url, timeout_s=0.5)
            started_s = time.monotonic()
            with pytest.raises(RegistryUnavailable, match=r"has not answered within 0\.5 s"):
                await registry.read()
            assert time.monotonic() - started_s < 5

    async def test_tables_that_cannot_be_made(self, open_mlflow: Open, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("a file")
        registry = open_mlflow(local_uri(tmp_path / "state"))
        with pytest.raises(RegistryUnavailable, match=r"MLflow at sqlite:.*File exists"):
            await registry.read()

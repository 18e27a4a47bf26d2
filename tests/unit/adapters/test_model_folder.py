"""A version is put in whole or not at all; golden files are read again when they change."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from control_plane.adapters.golden_files import MAX_BYTES
from control_plane.adapters.model_folder import ModelFolder, onnx_file
from control_plane.adapters.model_repository import ModelRepository
from control_plane.adapters.staging import FOLDER
from control_plane.core.catalogue import Release, build_engines
from control_plane.errors import ConfigurationError

CONTENT = b"network" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for version in ("1", "2"):
        (folder / "detector" / version).mkdir(parents=True)
    (folder / "detector" / "config.pbtxt").write_text('backend: "onnxruntime"')
    return folder


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "new.onnx"
    path.write_bytes(CONTENT)
    return path


async def add(folder: Path, onnx: Path, above: int = 0) -> int:
    added = await ModelFolder(folder).add_version(
        "detector", onnx, filename="model.onnx", above=above
    )
    assert added.sha256 == hashlib.sha256(CONTENT).hexdigest()
    return added.number


async def test_it_becomes_the_next_version(folder: Path, onnx: Path) -> None:
    assert await add(folder, onnx) == 3
    assert (folder / "detector" / "3" / "model.onnx").read_bytes() == CONTENT
    assert [path.name for path in (folder / "detector" / "3").iterdir()] == ["model.onnx"]
    assert not (folder / FOLDER).exists()
    assert (await ModelFolder(folder).read()).specs["detector"].versions == (1, 2, 3)


async def test_numbers_that_were_in_use_are_not_used_again(folder: Path, onnx: Path) -> None:
    assert await add(folder, onnx, above=6) == 7


async def test_what_is_there_is_never_written_to(folder: Path, onnx: Path) -> None:
    (folder / "detector" / "3").mkdir()  # empty, and somebody's
    (folder / "detector" / "4").write_text("a file with a number for its name")
    (folder / "detector" / "labels").mkdir()
    assert await add(folder, onnx) == 5
    assert list((folder / "detector" / "3").iterdir()) == []


async def test_many_at_once_get_different_numbers(folder: Path, onnx: Path) -> None:
    numbers = await asyncio.gather(*(add(folder, onnx) for _ in range(12)))
    assert sorted(numbers) == list(range(3, 15))
    for number in numbers:
        assert (folder / "detector" / str(number) / "model.onnx").read_bytes() == CONTENT
    assert not (folder / FOLDER).exists()


async def test_a_number_that_was_taken_a_moment_ago(
    folder: Path, onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        if target.name == "3" and not target.exists():
            target.mkdir()
            (target / "model.onnx").write_text("another one's")
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert await add(folder, onnx) == 4
    assert (folder / "detector" / "3" / "model.onnx").read_text() == "another one's"


async def test_a_crash_in_the_middle_leaves_no_half_version(
    folder: Path, onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(os, "rename", die)
    with pytest.raises(Killed):
        await add(folder, onnx)
    assert (await ModelFolder(folder).read()).specs["detector"].versions == (1, 2)


async def test_what_a_crash_left_is_swept_at_the_start(folder: Path) -> None:
    orphan = folder / FOLDER / "orphan" / "version"
    orphan.mkdir(parents=True)
    os.utime(orphan.parent, (0, 0))
    assert ModelFolder(folder).sweep() == 1
    assert not (folder / FOLDER).exists()


async def test_a_repository_that_cannot_be_written_to(folder: Path, onnx: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no version can be added to .*/absent: No such"):
        await ModelFolder(folder).add_version("absent", onnx, filename="model.onnx", above=0)
    assert not (folder / FOLDER).exists()


async def test_what_is_wrong_in_it_is_said(folder: Path) -> None:
    (folder / "releases.yaml").write_text("engines: 7")
    with pytest.raises(ConfigurationError, match="'engines' is missing or no mapping"):
        await ModelFolder(folder).read()


async def test_goldens_are_the_same_value_until_a_file_changes(folder: Path) -> None:
    store = ModelFolder(folder)
    content = await store.read()
    engines = build_engines(content.specs, content.declared)
    path = folder / "detector.golden.json"
    path.write_text('{"inputs": [{"name": "X", "datatype": "INT32", "shape": [1], "data": [7]}]}')
    first = await store.goldens(engines, content.declared)
    assert first["detector"].inputs["X"].tolist() == [7]
    assert await store.goldens(engines, content.declared) is first
    path.write_text('{"inputs": [{"name": "X", "datatype": "INT32", "shape": [1], "data": [88]}]}')
    second = await store.goldens(engines, content.declared)
    assert second["detector"].inputs["X"].tolist() == [88]
    path.unlink()
    assert await store.goldens(engines, content.declared) == {}


async def test_a_golden_answer_is_kept_and_one_that_is_there_stays(folder: Path) -> None:
    (folder / "detector.golden.json").write_text(
        '{"inputs": [{"name": "X", "datatype": "INT32", "shape": [1], "data": [7]}]}'
    )
    store = ModelFolder(folder)
    content = await store.read()
    engines = build_engines(content.specs, content.declared)
    answer = {
        "Y": np.array([[0.5, 1e-7]], np.float32),
        "NAMES": np.array([[b"hail", b""]], np.object_),
    }
    await store.add_golden("detector", "2.0.0", answer)
    await store.add_golden("detector", "2.0.0", {"Y": np.zeros((1, 2), np.float32)})
    kept = (await store.goldens(engines, content.declared))["detector"].answers["2.0.0"]
    assert kept.keys() == answer.keys()
    for name, array in answer.items():
        np.testing.assert_array_equal(kept[name], array)
        assert kept[name].dtype == array.dtype
    assert not (folder / FOLDER).exists()


@pytest.mark.parametrize(
    "array",
    [
        np.array([b"\xff"], np.object_),
        np.array([1j]),
        np.array([1.0, np.nan]),
        np.zeros(MAX_BYTES // 2, np.int8),
    ],
    ids=["no text", "no datatype", "no number", "too large"],
)
async def test_an_answer_that_json_cannot_hold(folder: Path, array: np.ndarray) -> None:
    with pytest.raises(ConfigurationError, match="a golden answer cannot be written"):
        await ModelFolder(folder).add_golden("detector", "2.0.0", {"Y": array})


async def test_an_answer_for_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"golden\.json cannot be written: No such"):
        await ModelFolder(tmp_path / "gone").add_golden("detector", "2.0.0", {})


def test_the_file_of_a_release() -> None:
    folder = Path(__file__).parents[3] / "model_repository"
    repository = ModelRepository.read(folder)
    specs, damage = repository.specs, repository.engines["damage"]
    found = onnx_file(folder, specs, damage.releases["1.1.0"])
    assert found == folder / "damage_detector" / "2" / "model.onnx"
    preprocess = Release("preprocess", "1.0.0", {"preprocess": 1}, False)
    assert onnx_file(folder, specs, preprocess) is None, "it is served by Python"
    gone = replace(damage.releases["1.1.0"], pins={"damage_detector": 9})
    assert onnx_file(folder, specs, gone) is None
    assert onnx_file(folder, specs, replace(gone, engine="roof")) is None
    assert onnx_file(folder, {"damage": specs["damage"]}, gone) is None

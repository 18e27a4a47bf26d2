"""Golden files at the root of a repository: what is read of them, and every complaint by name."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from control_plane.adapters import golden_files
from control_plane.adapters.golden_files import read_goldens
from control_plane.core.golden import Differs, Golden, Matches, RowRule, Tolerance, compare_answer
from control_plane.core.tensors import tensors_to_json
from control_plane.errors import ConfigurationError, ErrorCode
from tests.unit.samples import DETECTED, ENGINES, MEASURED

BATCHED = {name: values[None] for name, values in DETECTED.items()}
PLAIN = Tolerance(atol=0.02, rtol=0.02, atol_of={"BOXES": 2.0})
ROWS = replace(
    PLAIN, row_rule=RowRule(sure_score=0.5, rows=("BOXES", "SCORES", "CLASSES", "BRANDS"))
)


def write(folder: Path, name: str, key: str, tensors: Any) -> None:
    written = {key: tensors_to_json(tensors) if isinstance(tensors, dict) else tensors}
    (folder / name).write_bytes(orjson.dumps(written))


def read(folder: Path, **damage: Any) -> dict[str, Golden]:
    """damage: what releases.yaml says of it."""
    return read_goldens(folder, ENGINES, {"damage": damage})


def complaint_of(folder: Path, **damage: Any) -> tuple[str, str | None]:
    with pytest.raises(ConfigurationError) as complaint:
        read(folder, **damage)
    assert complaint.value.code is ErrorCode.CONFIGURATION
    return complaint.value.message, complaint.value.field


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``damage`` has a photo and an answer to it."""
    (tmp_path / "damage.golden.jpg").write_bytes(b"photo")
    write(tmp_path, "damage--1.0.0.golden.json", "outputs", BATCHED)
    return tmp_path


class TestReading:
    def test_without_files_no_engine_has_a_golden_input(self, tmp_path: Path) -> None:
        assert read(tmp_path) == {}

    @pytest.mark.parametrize("kind", [".jpg", ".jpeg", ".png"])
    def test_a_photo_without_an_answer_proves_that_the_engine_answers(
        self, tmp_path: Path, kind: str
    ) -> None:
        (tmp_path / f"damage.golden{kind}").write_bytes(b"photo")
        assert read(tmp_path) == {"damage": Golden(ROWS, photo=b"photo")}

    def test_the_answers_are_those_of_the_engines_releases(self, folder: Path) -> None:
        write(folder, "damage--9.0.0.golden.json", "outputs", BATCHED)
        write(folder, "volume--4.0.0.golden.json", "outputs", BATCHED)
        (golden,) = read(folder).values()
        assert list(golden.answers) == ["1.0.0"]
        stored = golden.answers["1.0.0"]
        assert {name: array.tolist() for name, array in stored.items()} == {
            name: array.tolist() for name, array in BATCHED.items()
        }
        answer = {name: array[0] for name, array in stored.items()}
        assert compare_answer(answer, DETECTED, golden.tolerance) == Matches()

    def test_another_engine_is_asked_by_its_tensors(self, tmp_path: Path) -> None:
        write(tmp_path, "volume.golden.json", "inputs", MEASURED)
        write(tmp_path, "volume--4.0.0.golden.json", "outputs", MEASURED)
        golden = read(tmp_path)["volume"]
        assert golden.photo is None
        assert golden.inputs["VOLUME_M3"].tolist() == MEASURED["VOLUME_M3"].tolist()
        assert list(golden.answers["4.0.0"]) == ["VOLUME_M3", "CONFIDENCE"]
        assert golden.tolerance == PLAIN


class TestTolerance:
    def test_brands_are_of_the_rows(self, folder: Path) -> None:
        golden = read(folder)["damage"]
        assert golden.tolerance == ROWS
        other = {**DETECTED, "BRANDS": np.array([b"other", b"", b""], np.object_)}
        stored = {name: values[0] for name, values in golden.answers["1.0.0"].items()}
        told = compare_answer(other, stored, golden.tolerance)
        assert isinstance(told, Differs)
        assert "BRANDS b'Owens'" in told.reason

    def test_releases_yaml_may_say_otherwise(self, folder: Path) -> None:
        tolerance = read(folder, rtol=0, atol=0.1, box_atol_px=5, sure_score=0.75)[
            "damage"
        ].tolerance
        assert (tolerance.rtol, tolerance.atol) == (0.0, 0.1)
        assert tolerance.atol_of == {"BOXES": 5.0}
        assert tolerance.row_rule is not None
        assert tolerance.row_rule.sure_score == 0.75

    @pytest.mark.parametrize(
        "value", [-0.1, -1, True, "0.1", None, [1], float("nan"), float("inf")]
    )
    def test_anything_but_a_number_of_at_least_zero_is_named(
        self, folder: Path, value: object
    ) -> None:
        assert complaint_of(folder, rtol=0.1, atol=value) == (
            f"releases.yaml: engines.damage.golden.atol is {value!r}; rtol, atol, box_atol_px, "
            f"sure_score may be set, to numbers of at least 0",
            "engines.damage.golden.atol",
        )

    def test_an_unknown_key_is_named(self, folder: Path) -> None:
        message, field = complaint_of(folder, tolerance=1)
        assert message.startswith("releases.yaml: engines.damage.golden.tolerance is 1; rtol, ")
        assert field == "engines.damage.golden.tolerance"


class TestComplaints:
    def test_more_than_one_input(self, folder: Path) -> None:
        write(folder, "damage.golden.json", "inputs", MEASURED)
        (folder / "damage.golden.png").write_bytes(b"photo")
        assert complaint_of(folder) == (
            f"{folder}: engine 'damage' has more than one golden input: damage.golden.jpg, "
            f"damage.golden.png, damage.golden.json",
            "damage",
        )

    @pytest.mark.parametrize(
        ("raw", "told"),
        [
            (b"", "no KServe v2 outputs: "),
            (b"{", "no KServe v2 outputs: "),
            (b"\xff", "no KServe v2 outputs: "),
            (b"[]", "no KServe v2 outputs: "),
            (b"7", "no KServe v2 outputs: "),
            (b'{"inputs": []}', "no KServe v2 outputs: 'outputs'"),
            (b'{"outputs": 7}', "no KServe v2 outputs: "),
            (b'{"outputs": [7]}', "no KServe v2 outputs: tensor 0 is not to be understood"),
            (
                b'{"outputs": [{"name": "X", "datatype": "INT8", "shape": [1], "data": [300]}]}',
                "no KServe v2 outputs: tensor X is not to be understood",
            ),
            (b'{"outputs": []}', "outputs has no tensor"),
            (b'{"outputs": {}}', "outputs has no tensor"),
        ],
    )
    def test_an_answer_that_is_none(self, folder: Path, raw: bytes, told: str) -> None:
        (folder / "damage--1.0.0.golden.json").write_bytes(raw)
        message, field = complaint_of(folder)
        assert message.startswith(f"{folder}/damage--1.0.0.golden.json: {told}")
        assert field == "damage--1.0.0.golden.json"

    def test_an_input_that_is_none(self, tmp_path: Path) -> None:
        write(tmp_path, "damage.golden.json", "outputs", MEASURED)
        message, field = complaint_of(tmp_path)
        assert message == f"{tmp_path}/damage.golden.json: no KServe v2 inputs: 'inputs'"
        assert field == "damage.golden.json"

    @pytest.mark.parametrize("name", ["damage.golden.jpg", "damage--1.0.0.golden.json"])
    def test_a_file_that_is_too_large(
        self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit = max(path.stat().st_size for path in folder.iterdir())
        monkeypatch.setattr(golden_files, "MAX_BYTES", limit)
        assert read(folder)
        (folder / name).write_bytes(b"x" * (limit + 1))
        assert complaint_of(folder) == (
            f"{folder / name} has {limit + 1} bytes; the limit is {limit}",
            name,
        )

    @pytest.mark.parametrize("name", ["damage.golden.jpg", "damage--1.0.0.golden.json"])
    def test_a_file_that_cannot_be_read(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()  # also for root, who may read everything else
        assert complaint_of(folder) == (f"{folder / name} cannot be read: Is a directory", name)

    def test_a_file_that_may_not_be_read(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_path: Path) -> bytes:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
        name = "damage--1.0.0.golden.json"
        assert complaint_of(folder) == (f"{folder / name} cannot be read: Permission denied", name)


def test_releases_may_answer_with_other_outputs(folder: Path) -> None:
    without = {name: values for name, values in BATCHED.items() if name != "BRANDS"}
    write(folder, "damage--1.1.0.golden.json", "outputs", without)
    golden = read(folder)["damage"]
    for stored in golden.answers.values():
        answer = {name: values[0] for name, values in stored.items()}
        assert compare_answer(answer, answer, golden.tolerance) == Matches()
    measured = {name: values[None] for name, values in MEASURED.items()}
    write(folder, "damage--1.1.0.golden.json", "outputs", measured)
    golden = read(folder)["damage"]
    assert compare_answer(dict(MEASURED), dict(MEASURED), golden.tolerance) == Matches()


def test_rows_are_of_one_photo_and_tensors_are_compared_whole(tmp_path: Path) -> None:
    write(tmp_path, "damage.golden.json", "inputs", {"X": np.zeros(1, np.int32)})
    write(tmp_path, "damage--1.0.0.golden.json", "outputs", BATCHED)
    golden = read(tmp_path)["damage"]
    assert compare_answer(BATCHED, BATCHED, golden.tolerance) == Matches()

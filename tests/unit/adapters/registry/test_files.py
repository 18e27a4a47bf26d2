"""Release files: how one looks, and what is wrong with others. The contract has the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from control_plane.adapters.registry.files import MAX_BYTES, FileRegistry
from control_plane.core.registered import ReleaseRecord
from control_plane.ports import RegistryUnavailable

RECORD = ReleaseRecord(
    "damage",
    "1.2.0",
    {"damage_detector": 3},
    onnx_sha256="0f" * 32,
    who="ann",
    reason="better on slate",
    registered_at="2026-11-26T14:00:00+00:00",
)
GOOD = {"engine": "damage", "release": "1.2.0", "pins": {"damage_detector": 3}}
NAME = "damage--1.2.0.release.json"


async def complaint_of(folder: Path, content: Any, name: str = NAME) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text)
    (folder / "roof--1.0.0.release.json").write_text(
        json.dumps({"engine": "roof", "release": "1.0.0", "pins": {}})
    )
    found = await FileRegistry(folder).read()
    assert [each.engine for each in found.records] == ["roof"], "the rest serves"
    (complaint,) = found.complaints
    assert complaint.startswith(f"{folder / name}: ")
    assert complaint.endswith("; it is left out")
    return complaint.removeprefix(f"{folder / name}: ").removesuffix("; it is left out")


async def test_a_release_is_one_file_that_a_person_can_read(tmp_path: Path) -> None:
    await FileRegistry(tmp_path).add(RECORD, None)
    path = tmp_path / NAME
    assert os.listdir(tmp_path) == [NAME]
    assert json.loads(path.read_text()) == {
        "engine": "damage",
        "release": "1.2.0",
        "pins": {"damage_detector": 3},
        "onnx_sha256": "0f" * 32,
        "who": "ann",
        "reason": "better on slate",
        "registered_at": "2026-11-26T14:00:00+00:00",
    }
    (read,) = (await FileRegistry(tmp_path).read()).records
    assert (read, read.source) == (RECORD, str(path))


async def test_what_a_later_release_of_tidegate_wrote_is_let_be(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps({**GOOD, "signature": {"key": 1}}))
    assert (await FileRegistry(tmp_path).read()).complaints == ()


async def test_golden_answers_and_models_are_no_releases(tmp_path: Path) -> None:
    (tmp_path / "damage--1.2.0.golden.json").write_text("{}")
    (tmp_path / "damage").mkdir()
    found = await FileRegistry(tmp_path).read()
    assert (found.records, found.complaints) == ((), ())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"engine": None}, "engine is no text of at most 4096 characters"),
        ({"engine": ""}, "engine is missing"),
        ({"release": ""}, "release is missing"),
        ({"release": "1.2"}, "release: '1.2' is not a semantic version such as 1.2.0"),
        ({"release": "1.3.0"}, "it is of release 1.3.0 of 'damage'"),
        ({"engine": "roof"}, "it is of release 1.2.0 of 'roof'"),
        ({"engine": "../damage"}, "it is of release 1.2.0 of '../damage'"),
        ({"pins": None}, "pins is no mapping of components to versions"),
        ({"pins": dict.fromkeys(map(str, range(257)), 1)}, "pins is no mapping of components to "
         "versions"),
        ({"pins": {"detector": 0}}, "pins.detector is 0, which is no version such as 3"),
        ({"pins": {"detector": True}}, "pins.detector is True, which is no version such as 3"),
        ({"who": "a" * 4097}, "who is no text of at most 4096 characters"),
        ({"onnx_sha256": "0F" * 32}, "onnx_sha256 is no SHA-256 in 64 hexadecimal digits"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    assert await complaint_of(tmp_path, {**GOOD, **change}) == complaint


async def test_pins_must_be_there(tmp_path: Path) -> None:
    assert await complaint_of(tmp_path, {"engine": "damage", "release": "1.2.0"}) == (
        "pins is missing"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is not JSON: "),
        ('{"engine": ', "it is not JSON: "),
        ("[]", "it is no JSON object"),
        ("{}" + " " * MAX_BYTES, f"it has more than {MAX_BYTES} bytes"),
    ],
)
async def test_what_is_no_record_at_all(tmp_path: Path, text: str, complaint: str) -> None:
    assert (await complaint_of(tmp_path, text)).startswith(complaint)


async def test_one_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (complaint,) = (await FileRegistry(tmp_path).read()).complaints
    assert complaint == f"{tmp_path / NAME} cannot be read: Is a directory; it is left out"


async def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match=r"release\.json cannot be written: No such"):
        await FileRegistry(tmp_path / "absent").add(RECORD, None)

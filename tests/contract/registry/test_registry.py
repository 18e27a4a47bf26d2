"""What every registry of releases keeps, the fake one too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from control_plane.core.registered import ReleaseRecord
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.contract.registry.conftest import Contracted

# Of MLflow's own mappings, by the SQLAlchemy that they do not know yet; and of its clients.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def conflicts(contracted: Contracted, record: ReleaseRecord) -> str:
    with pytest.raises(ControlPlaneError) as refused:
        await contracted.other.add(record, None)
    assert (refused.value.code, refused.value.field) == (ErrorCode.CONFLICT, "release")
    return refused.value.message


async def test_at_first_there_is_nothing(contracted: Contracted) -> None:
    assert await contracted.records() == {}
    assert await contracted.candidate() is None


async def test_a_release_is_read_as_it_was_written(contracted: Contracted, tmp_path: Path) -> None:
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"network")
    record = contracted.record(
        "1.2.0-rc.1+b7",
        onnx_sha256="0f" * 32,
        who="Ann <ann@example.org>",
        reason="nightly: ↑ 2 % recall",
        registered_at="2026-11-26T14:00:00+00:00",
    )
    await contracted.registry.add(record, onnx)
    assert await contracted.records() == {"1.2.0-rc.1+b7": record}
    assert (await contracted.records())["1.2.0-rc.1+b7"].source or contracted.other is (
        contracted.registry
    )


async def test_one_without_a_file_too(contracted: Contracted) -> None:
    bare = ReleaseRecord(contracted.engine, "1.0.0", {})
    await contracted.registry.add(bare, None)
    assert await contracted.records() == {"1.0.0": bare}


async def test_several_are_kept_side_by_side(contracted: Contracted) -> None:
    for number, release in enumerate(("1.2.0", "1.10.0", "1.3.0-rc.1"), start=1):
        await contracted.registry.add(contracted.record(release, number), None)
    found = await contracted.records()
    assert {each.release: each.pins["damage_detector"] for each in found.values()} == {
        "1.2.0": 1,
        "1.10.0": 2,
        "1.3.0-rc.1": 3,
    }


async def test_what_is_there_is_never_overwritten(contracted: Contracted) -> None:
    first = contracted.record("1.2.0", 3)
    await contracted.registry.add(first, None)
    message = await conflicts(contracted, contracted.record("1.2.0", 4))
    assert message.startswith(
        f"release 1.2.0 of engine '{contracted.engine}' is registered already: "
    )
    assert await contracted.records() == {"1.2.0": first}


async def test_nor_is_another_one_of_its_precedence_added(contracted: Contracted) -> None:
    await contracted.registry.add(contracted.record("1.2.0+a"), None)
    await conflicts(contracted, contracted.record("1.2.0+b"))
    await conflicts(contracted, contracted.record("1.2.0"))
    await contracted.registry.add(contracted.record("1.2.0-rc.1"), None)
    assert sorted(await contracted.records()) == ["1.2.0+a", "1.2.0-rc.1"]


async def test_of_several_at_once_one_is_first(contracted: Contracted) -> None:
    adding = [
        (contracted.registry if version % 2 else contracted.other).add(
            contracted.record("1.2.0", version), None
        )
        for version in range(1, 5)
    ]
    ended = await asyncio.gather(*adding, return_exceptions=True)
    refused = [each for each in ended if each is not None]
    assert len(refused) == 3
    assert all(isinstance(each, ControlPlaneError) for each in refused), refused
    assert {each.code for each in refused if isinstance(each, ControlPlaneError)} == {
        ErrorCode.CONFLICT
    }
    (record,) = (await contracted.records()).values()
    assert record.pins["damage_detector"] == ended.index(None) + 1
    complaints = (await contracted.other.read()).complaints
    assert [each for each in complaints if contracted.engine in each] == []


async def test_marking_is_idempotent(contracted: Contracted) -> None:
    await contracted.registry.add(contracted.record("1.2.0"), None)
    stable, canary = contracted.release("1.0.0"), contracted.release("1.2.0", 3)
    for _ in range(2):
        await contracted.registry.mark(contracted.engine, stable=stable, canary=canary)
    await contracted.registry.mark(contracted.engine, stable=canary, canary=None)
    assert (await contracted.records())["1.2.0"].pins == {"damage_detector": 3}

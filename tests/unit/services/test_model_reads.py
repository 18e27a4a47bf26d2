"""What a client reads about an engine: one model under its own name, releases as versions."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2

from control_plane.core.deadline import Deadline
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallFailed
from control_plane.services.fleet import Fleet
from control_plane.services.model_reads import ModelReads, index
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import STABLE, TABLE, make_fleet, make_gateway

LATER = Deadline(1030.0)
COMPONENTS = frozenset({"preprocess", "damage_detector", "materials_detector"})


def make_reads(fleet: Fleet) -> ModelReads:
    return ModelReads(
        gateway=make_gateway(fleet),
        fleet=fleet,
        components=COMPONENTS,
        timeout_s=3.0,
        clock=FakeClock(),
    )


async def test_metadata_is_the_twins_under_the_engines_name_and_releases() -> None:
    triton = FakeInstance()
    answer = await make_reads(make_fleet(triton)).metadata("damage", "", LATER)
    assert triton.calls == ["ModelMetadata damage--1.0.0/1"]
    assert (answer.name, answer.platform, list(answer.versions)) == (
        "damage",
        "ensemble",
        ["1.0.0"],
    )


async def test_a_configuration_bears_the_engines_name() -> None:
    triton = FakeInstance()
    answer = await make_reads(make_fleet(triton)).config("volume", "stable", LATER)
    assert triton.calls == ["ModelConfig volume/4"]
    assert (answer.config.name, answer.config.max_batch_size) == ("volume", 8)


async def test_a_component_is_asked_about_as_it_is() -> None:
    triton = FakeInstance()
    reads = make_reads(make_fleet(triton))
    metadata = await reads.metadata("preprocess", "1", LATER)
    config = await reads.config("damage_detector", "", LATER)
    statistics = await reads.statistics("preprocess", "", LATER)
    assert triton.calls == [
        "ModelMetadata preprocess/1",
        "ModelConfig damage_detector/",
        "ModelStatistics preprocess/",
    ]
    assert (metadata.name, list(metadata.versions)) == ("preprocess", ["1"])
    assert config.config.name == "damage_detector"
    assert [(entry.name, entry.version) for entry in statistics.model_stats] == [
        ("preprocess", "1")
    ]


@pytest.mark.parametrize(
    ("name", "version", "code"),
    [
        ("roof", "", ErrorCode.UNKNOWN_ENGINE),
        ("damage", "9.9.9", ErrorCode.UNKNOWN_RELEASE),
        ("damage", "1.1.0", ErrorCode.RELEASE_NOT_READY),
    ],
)
async def test_what_cannot_be_routed_cannot_be_asked_about(
    name: str, version: str, code: ErrorCode
) -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        await make_reads(make_fleet(FakeInstance())).metadata(name, version, LATER)
    assert refusal.value.code is code


@pytest.mark.parametrize(
    ("name", "what"), [("damage", "'damage' 1.0.0"), ("preprocess", "component 'preprocess'")]
)
async def test_nobody_can_be_asked_when_nobody_is_ready(name: str, what: str) -> None:
    fleet = make_fleet(FakeInstance())
    fleet.publish("triton-0", serving=(), is_live=False, reason="", now_s=0.0)
    with pytest.raises(ControlPlaneError) as refusal:
        await make_reads(fleet).config(name, "", LATER)
    assert refusal.value.code is ErrorCode.RELEASE_NOT_READY
    assert refusal.value.message == f"{what} is ready on no instance"


async def test_an_instance_that_fails_is_told_by_its_code() -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        await make_reads(make_fleet(FakeInstance(is_away=True))).metadata("damage", "", LATER)
    assert refusal.value.code is ErrorCode.BACKEND_UNAVAILABLE
    assert refusal.value.message == (
        "instance 'triton-0' cannot be reached: failed to connect to all addresses"
    )


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (
            call_failed("INTERNAL", "in ensemble 'damage--1.0.0', model 'damage--1.0.0' is broken"),
            ErrorCode.BACKEND_FAULT,
            "model 'damage' is broken",
        ),
        (
            call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded"),
            ErrorCode.DEADLINE_EXCEEDED,
            "engine 'damage' did not answer in time",
        ),
        (
            None,
            ErrorCode.BACKEND_FAULT,
            "what instance 'triton-0' answered is no ModelConfigResponse",
        ),
    ],
)
async def test_what_goes_wrong_is_told_in_the_engines_name(
    failure: CallFailed | None, code: ErrorCode, message: str
) -> None:
    class Failing(FakeInstance):
        """Fails, or answers bytes that are no message."""

        async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
            if failure is not None:
                raise failure
            return b"\xff"

    with pytest.raises(ControlPlaneError) as refusal:
        await make_reads(make_fleet(Failing())).config("damage", "", LATER)
    assert (refusal.value.code, refusal.value.message) == (code, message)


async def test_a_component_is_asked_about_where_it_is_loaded() -> None:
    first, second = FakeInstance(), FakeInstance()
    fleet = make_fleet(first, second)
    fleet.publish(
        "triton-1",
        serving=STABLE,
        components={"damage_detector": frozenset({1, 2})},
        is_live=True,
        reason="",
        now_s=0.0,
    )
    reads = make_reads(fleet)
    await reads.config("damage_detector", "2", LATER)
    await reads.metadata("preprocess", "", LATER)
    await reads.statistics("damage_detector", "2", LATER)
    assert first.calls == ["ModelMetadata preprocess/"]
    assert second.calls == ["ModelConfig damage_detector/2", "ModelStatistics damage_detector/2"]
    assert reads.is_ready("damage_detector", "2")


@pytest.mark.parametrize("version", ["2", "1.0.0", "01", "x"])
async def test_a_components_version_that_is_loaded_nowhere_is_not_found(version: str) -> None:
    reads = make_reads(make_fleet(FakeInstance()))
    for ask in (reads.metadata, reads.config, reads.statistics):
        with pytest.raises(ControlPlaneError) as refusal:
            await ask("preprocess", version, LATER)
        assert refusal.value.code is ErrorCode.NOT_FOUND
        assert refusal.value.message == (
            f"component 'preprocess' has no version {version!r} that is loaded"
        )
    assert not reads.is_ready("preprocess", version)


class Counting(FakeInstance):
    """Answers statistics as Triton does: durations, batches, responses, memory."""

    async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
        assert timeout_s == 3.0
        answer = service_pb2.ModelStatisticsResponse.FromString(
            await FakeInstance.read(self, method, message, timeout_s=timeout_s)
        )
        (entry,) = answer.model_stats
        size = self.breaks_after or 1
        entry.last_inference = 100 * size
        entry.inference_stats.success.count = 5
        entry.inference_stats.success.ns = 70
        entry.batch_stats.add(batch_size=1).compute_infer.count = 2
        entry.batch_stats.add(batch_size=size * 4).compute_infer.count = 1
        entry.response_stats["0"].success.count = 4
        entry.memory_usage.add(type="GPU", id=0, byte_size=64)
        return bytes(answer.SerializeToString())


async def test_statistics_are_summed_over_the_instances() -> None:
    fleet = make_fleet(Counting(breaks_after=2), Counting(breaks_after=1))
    total = await make_reads(fleet).statistics("damage", "", LATER)
    (entry,) = total.model_stats
    assert (entry.name, entry.version) == ("damage", "1.0.0")
    assert entry.inference_count == 6
    assert entry.last_inference == 200
    assert (entry.inference_stats.success.count, entry.inference_stats.success.ns) == (10, 140)
    assert {batch.batch_size: batch.compute_infer.count for batch in entry.batch_stats} == {
        1: 4,
        4: 1,
        8: 1,
    }
    assert entry.response_stats["0"].success.count == 8
    assert [usage.byte_size for usage in entry.memory_usage] == [64, 64]


async def test_the_callers_deadline_bounds_a_read() -> None:
    triton = FakeInstance()
    reads = make_reads(make_fleet(triton))
    for ask in (reads.metadata, reads.config, reads.statistics):
        await ask("damage", "", Deadline(1001.5))
        with pytest.raises(ControlPlaneError) as refusal:
            await ask("damage", "", Deadline(1000.0))
        assert refusal.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert triton.timeouts_s == [1.5, 1.5, 1.5]


async def test_an_instance_that_fails_is_left_out_of_the_statistics() -> None:
    fleet = make_fleet(Counting(), Counting(is_away=True))
    with capture_logs() as logs:
        total = await make_reads(fleet).statistics("damage", "", LATER)
    assert [entry.inference_count for entry in total.model_stats] == [3]
    (line,) = logs
    assert (line["log_level"], line["instance"]) == ("warning", "triton-1")
    assert line["code"] == "backend_unavailable"


async def test_statistics_that_no_instance_gives_are_refused() -> None:
    fleet = make_fleet(FakeInstance(is_away=True), FakeInstance(is_away=True))
    with pytest.raises(ControlPlaneError) as refusal:
        await make_reads(fleet).statistics("damage", "", LATER)
    assert refusal.value.code is ErrorCode.BACKEND_UNAVAILABLE


async def test_a_bug_in_asking_for_statistics_does_not_hide() -> None:
    class Bugged(FakeInstance):
        """Fails as only a bug of ours can."""

        async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await make_reads(make_fleet(Counting(), Bugged())).statistics("damage", "", LATER)


async def test_all_instances_are_asked_for_statistics_at_once() -> None:
    everybody = asyncio.Barrier(2)

    class Waiting(FakeInstance):
        """Answers once the other one was asked too."""

        async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
            await everybody.wait()
            return await FakeInstance.read(self, method, message, timeout_s=timeout_s)

    async with asyncio.timeout(5):
        await make_reads(make_fleet(Waiting(), Waiting())).statistics("damage", "", LATER)


class Serving(FakeInstance):
    """Answers statistics of everything, as Triton does when no model is named."""

    models: tuple[tuple[str, str], ...] = (
        ("damage--1.0.0", "1"),
        ("damage_detector", "1"),
        ("preprocess", "1"),
        ("volume", "4"),
        ("volume", "3"),
        ("damage", "1"),
    )

    async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
        assert not service_pb2.ModelStatisticsRequest.FromString(message).name
        answer = service_pb2.ModelStatisticsResponse()
        for name, version in self.models:
            answer.model_stats.add(name=name, version=version, inference_count=3)
        return bytes(answer.SerializeToString())


async def test_without_a_name_engines_and_components_are_counted_each_on_its_own() -> None:
    """perf_analyzer reads an ensemble's components from the statistics of everything."""
    total = await make_reads(make_fleet(Serving(), Serving())).statistics("", "", LATER)
    assert [(entry.name, entry.version, entry.inference_count) for entry in total.model_stats] == [
        ("damage", "1.0.0", 6),
        ("damage_detector", "1", 6),
        ("preprocess", "1", 6),
        ("volume", "4.0.0", 6),
    ]


async def test_an_engine_that_is_not_ready_has_no_statistics_by_name() -> None:
    fleet = make_fleet(Serving(), serving=frozenset({("volume", "4.0.0")}))
    with pytest.raises(ControlPlaneError, match="is ready on no instance"):
        await make_reads(fleet).statistics("damage", "", LATER)


@pytest.mark.parametrize(
    ("name", "version", "is_ready"),
    [
        ("damage", "", True),
        ("damage", "1.0.0", True),
        ("damage", "canary", False),
        ("damage", "1.1.0", False),
        ("damage", "9.9.9", False),
        ("materials", "", False),
        ("preprocess", "", True),
        ("preprocess", "1", True),
        ("preprocess", "7", False),
    ],
)
def test_readiness_is_that_of_the_release_a_request_would_get(
    name: str, version: str, is_ready: bool
) -> None:
    fleet = make_fleet(FakeInstance(), serving=STABLE - {("materials", "1.0.0")})
    assert make_reads(fleet).is_ready(name, version) is is_ready


def test_a_component_that_is_loaded_nowhere_is_not_ready() -> None:
    fleet = make_fleet(FakeInstance())
    fleet.publish("triton-0", serving=STABLE, is_live=True, reason="", now_s=0.0)
    assert not make_reads(fleet).is_ready("preprocess", "")


def test_the_readiness_of_an_unknown_engine_is_no_answer() -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        make_reads(make_fleet(FakeInstance())).is_ready("roof", "")
    assert refusal.value.code is ErrorCode.UNKNOWN_ENGINE


def test_the_index_lists_every_release_and_whether_it_is_ready() -> None:
    fleet = make_fleet(FakeInstance(), serving=frozenset({("damage", "1.0.0")}))
    listed = [
        (model.name, model.version, model.state, model.reason)
        for model in index(TABLE, fleet, ready_only=False).models
    ]
    assert listed == [
        ("damage", "1.0.0", "READY", ""),
        ("damage", "1.1.0", "UNAVAILABLE", "not served now"),
        ("materials", "1.0.0", "UNAVAILABLE", "not served now"),
        ("volume", "4.0.0", "UNAVAILABLE", "not served now"),
    ]
    (only,) = index(TABLE, fleet, ready_only=True).models
    assert (only.name, only.version) == ("damage", "1.0.0")

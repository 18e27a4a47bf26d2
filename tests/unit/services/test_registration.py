"""Registering: what is checked, in which order things are written, and what a failure leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.golden import Golden, Tolerance
from control_plane.core.registered import ReleaseRecord
from control_plane.core.state import AuditEntry
from control_plane.errors import ConfigurationError, ControlPlaneError, ErrorCode
from control_plane.services.catalogue import Catalogue
from control_plane.services.file_proof import FileProver
from control_plane.services.registration import (
    MAX_WAITING,
    RegisteredRelease,
    Registration,
)
from tests.unit.fake_catalogue import FakeChecker, FakeModels, FakeRegistry
from tests.unit.fakes import FakeCalendar, FakeClock, FakeInstance
from tests.unit.samples import SPECS, plain, write_tensors

CONTENT = b"onnx and so on"
TOLERANCE = Tolerance(0.1, 0.1)
ANSWER = {"BOXES": np.ones((1, 4), np.float32)}


def with_maps(config: Any) -> dict[str, Any]:
    """The sample's ensemble with tensors that lead from its photo to its detector."""
    preprocess, detector = config["ensemble_scheduling"]["step"]
    steps = [
        {**preprocess, "input_map": {"IMAGE": "IMAGE"}, "output_map": {"PIXELS": "pixels"}},
        {**detector, "input_map": {"X": "pixels"}, "output_map": {"BOXES": "BOXES"}},
    ]
    outputs = [{"name": "BOXES"}]
    return {**config, "output": outputs, "ensemble_scheduling": {"step": steps}}


def preprocess(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    assert request.model_name == "preprocess"
    return write_tensors({"PIXELS": np.ones(3, np.float32)})


class Site:
    def __init__(self, models: FakeModels | None = None) -> None:
        self.models, self.registry, self.checker = (
            models or FakeModels(), FakeRegistry(), FakeChecker()
        )  # fmt: skip
        damage = SPECS["damage"]
        self.models.specs["damage"] = replace(damage, config=with_maps(damage.config))
        self.models.declared["volume"] = {"stable": "4.0.0", "releases": {"4.0.0": {"volume": 4}}}
        self.triton = FakeInstance(answer=preprocess)
        self.asked: list[str] = []
        self.audited: list[AuditEntry] = []
        self.is_store_away = False
        self.catalogue = Catalogue(self.models, self.registry)
        prover = FileProver(
            self.catalogue,
            self.checker,
            serving=self._serving,
            stable=lambda engine: self.catalogue.engines[engine].stable,
            max_bytes=1000,
        )
        self.registration = Registration(
            self.catalogue,
            self.models,
            self.registry,
            prover,
            clock=FakeClock(),
            calendar=FakeCalendar(),
            record=self._write_down,
        )

    async def _write_down(self, entry: AuditEntry) -> None:
        if self.is_store_away:
            raise ControlPlaneError(ErrorCode.INTERNAL, "the store is away")
        self.audited.append(entry)

    def _serving(self, release: Any) -> list[FakeInstance]:
        self.asked.append(f"{release.engine} {release.version}")
        return [self.triton]

    async def register(
        self, release: str = "1.2.0", engine: str = "damage", **more: Any
    ) -> RegisteredRelease:
        return await self.registration.register(
            engine, release, **{"who": "ann", "reason": "better", **more}
        )

    async def refusal(self, *arguments: str, **more: Any) -> ControlPlaneError:
        with pytest.raises(ControlPlaneError) as refused:
            await self.register(*arguments, **more)
        return refused.value


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.catalogue.load()
    return made


async def proving(
    engine: str,
    golden: Golden,
    *,
    models: FakeModels | None = None,
    preprocess_versions: tuple[int, ...] = (1,),
) -> Site:
    """With an engine that has a golden input; its stable release runs the newest preprocess."""
    made = Site(models)
    made.models.stored = {engine: golden}
    made.checker.outputs = ANSWER
    made.models.specs["preprocess"] = plain("preprocess", *preprocess_versions)
    releases = dict(made.models.declared["damage"]["releases"])
    releases["1.0.0"] = {"damage_detector": 1, "preprocess": preprocess_versions[-1]}
    made.models.declared["damage"] = {"stable": "1.0.0", "releases": releases}
    await made.catalogue.load()
    return made


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return write(tmp_path / "new.onnx", CONTENT)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class TestWithPins:
    async def test_it_is_in_the_catalogue_at_once(self, site: Site) -> None:
        registered = await site.register(pins={"damage_detector": 1})
        assert registered.release == site.catalogue.engines["damage"].releases["1.2.0"]
        assert registered.release.pins == {"preprocess": 1, "damage_detector": 1}
        assert (registered.component, registered.version) == ("", None)
        assert not registered.is_proved
        assert site.registry.records == [
            ReleaseRecord(
                "damage",
                "1.2.0",
                {"damage_detector": 1},
                who="ann",
                reason="better",
                registered_at="2025-01-31T12:00:00+00:00",
            )
        ]
        assert registered.audit == AuditEntry(
            who="ann",
            action="register",
            reason="better",
            engine="damage",
            after={"release": "1.2.0", "pins": {"preprocess": 1, "damage_detector": 1}},
        )

    async def test_it_is_audited(self, site: Site) -> None:
        registered = await site.register(pins={"damage_detector": 1})
        assert site.audited == [registered.audit]
        site.is_store_away = True
        await site.register("1.3.0", pins={"damage_detector": 1})
        assert "1.3.0" in site.catalogue.engines["damage"].releases
        assert len(site.audited) == 1

    async def test_what_is_refused_is_not_audited(self, site: Site) -> None:
        await site.refusal(pins={"damage_detector": 7})
        assert site.audited == []

    async def test_pins_are_of_the_repository(self, site: Site) -> None:
        error = await site.refusal(pins={"damage_detector": 7})
        assert (error.code, error.field) == (ErrorCode.INVALID_ARGUMENT, "pins")
        assert site.registry.records == []

    async def test_a_version_that_was_put_in_a_moment_ago_can_be_pinned(self, site: Site) -> None:
        detector = SPECS["damage_detector"]
        site.models.specs["damage_detector"] = replace(detector, versions=(1, 2, 3))
        registered = await site.register(pins={"damage_detector": 3})
        assert registered.release.pins["damage_detector"] == 3


class TestWithAFile:
    async def test_it_becomes_the_next_version_of_what_floats(self, site: Site, onnx: Path) -> None:
        registered = await site.register(onnx=onnx)
        assert (registered.component, registered.version) == ("damage_detector", 3)
        assert site.models.files == {("damage_detector", 3): CONTENT}
        assert registered.release.pins == {"preprocess": 1, "damage_detector": 3}
        (record,) = site.registry.records
        assert record.pins == {"damage_detector": 3}
        assert record.onnx_sha256 == sha256(CONTENT).hexdigest()
        assert site.registry.uploaded == [CONTENT]
        assert registered.audit.after["onnx_sha256"] == record.onnx_sha256

    async def test_without_a_golden_input_it_is_not_run(self, site: Site, onnx: Path) -> None:
        assert not (await site.register(onnx=onnx)).is_proved
        assert site.checker.given == [None]

    async def test_it_is_run_on_what_the_steps_before_it_make(self, onnx: Path) -> None:
        site = await proving("damage", Golden(TOLERANCE, photo=b"photo"))
        assert (await site.register(onnx=onnx)).is_proved
        (given,) = site.checker.given
        assert given is not None
        np.testing.assert_array_equal(given["X"], np.ones((1, 3), np.float32))
        assert site.asked == ["damage 1.0.0"]
        assert site.triton.calls == ["preprocess/1"]
        assert site.models.answers == {("damage", "1.2.0"): ANSWER}

    async def test_where_other_steps_will_follow_it_no_answer_is_kept(self, onnx: Path) -> None:
        site = await proving(
            "damage", Golden(TOLERANCE, photo=b"photo"), preprocess_versions=(1, 2)
        )
        assert (await site.register(onnx=onnx)).is_proved
        assert site.triton.calls == ["preprocess/2"]
        assert site.models.answers == {}

    async def test_an_answer_that_cannot_be_kept_is_no_failure(self, onnx: Path) -> None:
        class Full(FakeModels):
            async def add_golden(self, *_: object) -> None:
                raise ConfigurationError("the disk is full")

        site = await proving("damage", Golden(TOLERANCE, photo=b"photo"), models=Full())
        assert (await site.register(onnx=onnx)).is_proved

    async def test_of_a_plain_model_it_is_run_on_the_golden_input_itself(self, onnx: Path) -> None:
        inputs = {"X": np.array([7], np.int32)}
        site = await proving("volume", Golden(TOLERANCE, inputs=inputs))
        registered = await site.register("5.0.0", "volume", onnx=onnx)
        assert (registered.component, registered.version) == ("volume", 5)
        assert site.checker.given == [inputs]
        assert site.triton.calls == []
        assert site.models.answers == {("volume", "5.0.0"): ANSWER}

    async def test_one_that_is_unfit_leaves_nothing(self, site: Site, onnx: Path) -> None:
        write(onnx, b"GIF89a")
        error = await site.refusal(onnx=onnx)
        assert (error.code, error.field) == (ErrorCode.INVALID_ARGUMENT, "onnx")
        assert (site.models.files, site.registry.records) == ({}, [])

    async def test_one_that_is_too_large_is_not_looked_at(self, site: Site, onnx: Path) -> None:
        write(onnx, b"onnx" * 251)
        error = await site.refusal(onnx=onnx)
        assert error.code is ErrorCode.MESSAGE_TOO_LARGE
        assert error.message == "the ONNX file has 1004 bytes; the limit is 1000"
        assert site.checker.given == []

    async def test_an_engine_without_a_place_for_one(self, site: Site, onnx: Path) -> None:
        detector = SPECS["materials_detector"]
        config = {**detector.config, "backend": "python"}
        site.models.specs["materials_detector"] = replace(detector, config=config)
        fresh = Catalogue(site.models, site.registry)
        await fresh.load()
        site.registration._catalogue = fresh
        error = await site.refusal("1.1.0", "materials", onnx=onnx)
        assert isinstance(error, ConfigurationError)

    async def test_a_number_of_a_record_that_was_left_out_is_not_used_again(
        self, site: Site, onnx: Path
    ) -> None:
        """Somebody has deleted the folder of version 5; 1.5.0 must not come to be another file."""
        site.registry.records = [ReleaseRecord("damage", "1.5.0", {"damage_detector": 5})]
        assert (await site.register(onnx=onnx)).version == 6
        assert "1.5.0" not in site.catalogue.engines["damage"].releases

    async def test_two_at_once_get_different_numbers(self, site: Site, onnx: Path) -> None:
        registered = await asyncio.gather(
            site.register("1.2.0", onnx=onnx), site.register("1.3.0", onnx=onnx)
        )
        assert [each.version for each in registered] == [3, 4]

    async def test_of_two_with_one_number_one_is_refused(self, site: Site, onnx: Path) -> None:
        ended = await asyncio.gather(
            site.register(onnx=onnx), site.register(onnx=onnx), return_exceptions=True
        )
        (refused,) = [each for each in ended if isinstance(each, ControlPlaneError)]
        assert refused.code is ErrorCode.CONFLICT
        assert len(site.models.files) == 1


class TestRefused:
    async def test_both_or_none(self, site: Site, onnx: Path) -> None:
        both = await site.refusal(onnx=onnx, pins={"damage_detector": 1})
        none = await site.refusal()
        empty = await site.refusal(pins={})
        assert both.message.startswith("both an ONNX file and pins are given")
        assert none.message.startswith("neither an ONNX file nor pins are given")
        assert empty.message == none.message

    async def test_an_unknown_engine(self, site: Site) -> None:
        error = await site.refusal("1.0.0", "roof", pins={"x": 1})
        assert error.code is ErrorCode.UNKNOWN_ENGINE
        assert error.message == "unknown engine 'roof'; engines: damage, materials, volume"

    @pytest.mark.parametrize("release", ["1.1.0", "1.1.0+b"])
    async def test_a_release_that_is_there(self, site: Site, release: str) -> None:
        assert (await site.refusal(release, pins={"damage_detector": 1})).code is ErrorCode.CONFLICT

    async def test_one_that_another_control_plane_has_just_registered(self, site: Site) -> None:
        site.registry.records = [ReleaseRecord("damage", "1.2.0", {"damage_detector": 2})]
        assert (await site.refusal(pins={"damage_detector": 1})).code is ErrorCode.CONFLICT

    async def test_texts_are_bounded(self, site: Site) -> None:
        error = await site.refusal(pins={"damage_detector": 1}, reason="a" * 2001)
        assert error.message == "reason has 2001 characters; the limit is 2000"
        error = await site.refusal(pins={"damage_detector": 1}, who="a" * 201)
        assert error.field == "who"

    async def test_too_many_at_once(self, site: Site, onnx: Path) -> None:
        site.checker.hold.clear()
        waiting = [
            asyncio.create_task(site.register(f"1.{number}.0", onnx=onnx))
            for number in range(2, 2 + MAX_WAITING)
        ]
        await site.checker.entered.get()
        error = await site.refusal("1.9.0", onnx=onnx)
        assert (error.code, error.retry_after_s) == (ErrorCode.OVERLOADED, 10.0)
        site.checker.hold.set()
        await asyncio.gather(*waiting)
        await site.register("1.9.0", onnx=onnx)


class TestFailures:
    async def test_a_registry_that_is_away_is_found_before_anything_is_put_in(
        self, site: Site, onnx: Path
    ) -> None:
        site.registry.is_away = True
        for given in ({"onnx": onnx}, {"pins": {"damage_detector": 1}}):
            error = await site.refusal(**given)
            assert (error.code, error.is_retryable) == (ErrorCode.BACKEND_UNAVAILABLE, True)
            assert error.message == (
                "the release cannot be written down: the registry is away; nothing was changed"
            )
        assert (site.checker.given, site.models.files) == ([], {})
        site.registry.is_away = False
        assert (await site.register(onnx=onnx)).version == 3

    async def test_a_registry_that_is_full_leaves_a_version_and_says_so(
        self, site: Site, onnx: Path
    ) -> None:
        site.registry.refuses = True
        error = await site.refusal(onnx=onnx)
        assert error.code is ErrorCode.BACKEND_UNAVAILABLE
        assert error.message == (
            "the release cannot be written down: the disk is full; version 3 of damage_detector "
            "lies in the repository, and no release pins it"
        )
        site.registry.refuses = False
        assert (await site.register(onnx=onnx)).version == 4

    async def test_without_a_file_it_leaves_nothing(self, site: Site) -> None:
        site.registry.refuses = True
        error = await site.refusal(pins={"damage_detector": 1})
        assert error.message == "the release cannot be written down: the disk is full"

    async def test_a_conflict_that_only_the_registry_sees(self, site: Site, onnx: Path) -> None:
        class Racing(FakeRegistry):
            async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
                self.records.append(replace(record, pins={"damage_detector": 1}))
                await super().add(record, onnx)

        site.registration._registry = Racing()
        error = await site.refusal(onnx=onnx)
        assert error.code is ErrorCode.CONFLICT
        assert error.message.endswith(
            "version 3 of damage_detector lies in the repository, and no release pins it"
        )
        assert str(error) == error.message

    async def test_a_repository_that_cannot_be_written_to(self, site: Site, onnx: Path) -> None:
        site.checker.hold.clear()
        asked = asyncio.create_task(site.refusal(onnx=onnx))
        await site.checker.entered.get()
        site.models.complaint = "the disk is full"
        site.checker.hold.set()
        assert (await asked).code is ErrorCode.CONFIGURATION
        assert site.registry.records == []

    async def test_what_was_written_down_and_is_not_in_the_catalogue(self, site: Site) -> None:
        class Forgetful(FakeRegistry):
            async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
                pass

        site.registration._registry = Forgetful()
        error = await site.refusal(pins={"damage_detector": 1})
        assert error.code is ErrorCode.INTERNAL
        assert error.message == (
            "release 1.2.0 of 'damage' is written down, but the catalogue does not have it: "
            "nobody knows why"
        )

"""The catalogue as it is now: what changes it, and what must not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from control_plane.core.catalogue import ModelSpec
from control_plane.core.golden import Golden, Tolerance
from control_plane.core.registered import ReleaseRecord
from control_plane.core.routing import all_to_stable
from control_plane.core.state import EngineState, State
from control_plane.errors import ConfigurationError
from control_plane.services.catalogue import Catalogue, Current
from tests.unit.fake_catalogue import FakeModels, FakeRegistry
from tests.unit.samples import DAMAGE, DECLARED, ENGINES, SPECS, TABLE, VOLUME, plain

NEXT = ReleaseRecord("damage", "1.2.0", {"damage_detector": 2}, source="a file")


def asked(value: int) -> Golden:
    return Golden(Tolerance(0.1, 0.1), inputs={"X": np.array([value])})


class Site:
    def __init__(self) -> None:
        self.models, self.registry = FakeModels(), FakeRegistry()
        self.state = State()
        self.catalogue = Catalogue(self.models, self.registry, state=lambda: self.state)


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.catalogue.load()
    return made


class TestLoading:
    async def test_what_is_declared_and_what_is_registered(self) -> None:
        site = Site()
        site.registry.records = [NEXT]
        site.models.stored = {"damage": Golden(Tolerance(0.1, 0.1), photo=b"photo")}
        await site.catalogue.load()
        catalogue = site.catalogue
        assert list(catalogue.engines) == ["damage", "materials", "volume"]
        assert list(catalogue.engines["damage"].releases) == ["1.0.0", "1.1.0", "1.2.0"]
        assert dict(catalogue.specs) == SPECS
        assert dict(catalogue.goldens) == site.models.stored
        assert catalogue.declared == DECLARED
        assert [(each.engine, each.version) for each in catalogue.releases()] == [
            ("damage", "1.0.0"), ("damage", "1.1.0"), ("damage", "1.2.0"),
            ("materials", "1.0.0"), ("volume", "4.0.0"),
        ]  # fmt: skip
        assert (catalogue.complaints, catalogue.generation) == ((), 1)

    async def test_before_it_there_is_nothing(self) -> None:
        catalogue = Site().catalogue
        assert (dict(catalogue.engines), catalogue.releases(), catalogue.generation) == ({}, (), 0)

    async def test_what_people_declared_must_be_right(self) -> None:
        site = Site()
        site.models.complaint = "releases.yaml is wrong"
        with pytest.raises(ConfigurationError, match="is wrong"):
            await site.catalogue.load()

    async def test_a_registry_that_is_away_stops_no_start(self) -> None:
        site = Site()
        site.registry.is_away = True
        await site.catalogue.load()
        assert dict(site.catalogue.engines) == ENGINES
        assert site.catalogue.complaints == (
            "the registry is away; what it said before still holds",
        )

    async def test_a_stored_release_serves_though_the_registry_is_away_at_the_start(self) -> None:
        """The routing table holds the pins, so nothing else need be asked."""
        site = Site()
        stable = replace(DAMAGE, version="1.2.0", pins={"preprocess": 1, "damage_detector": 2})
        engine = replace(ENGINES["damage"], stable="1.2.0", releases={"1.2.0": stable})
        site.state = State(1, {"damage": EngineState("1.2.0")}, all_to_stable([engine], revision=1))
        site.registry.is_away = True
        await site.catalogue.load()
        assert site.catalogue.engines["damage"].releases["1.2.0"] == stable
        assert len(site.catalogue.complaints) == 2

    async def test_models_are_adjusted_as_they_are_read(self) -> None:
        def adjust(spec: ModelSpec) -> ModelSpec:
            return replace(spec, config={**spec.config, "limit": 7})

        catalogue = Catalogue(FakeModels(), FakeRegistry(), adjust=adjust)
        await catalogue.load()
        assert {spec.config["limit"] for spec in catalogue.specs.values()} == {7}
        assert not await catalogue.refresh()
        assert catalogue.complaints == ()


class TestWhatWasRegisteredAsAFileBefore:
    async def test_it_is_missed_until_it_is_registered(self, site: Site) -> None:
        site.registry.files = (NEXT,)
        await site.catalogue.refresh()
        (complaint,) = site.catalogue.complaints
        assert "release 1.2.0 of 'damage' was registered as a file" in complaint
        assert "1.2.0" not in site.catalogue.engines["damage"].releases
        site.registry.records = [NEXT]
        await site.catalogue.refresh()
        assert site.catalogue.complaints == ()

    async def test_the_first_reading_does_not_know_yet_whether_it_serves(self) -> None:
        site = Site()
        site.registry.files = (NEXT,)
        await site.catalogue.load()
        assert site.catalogue.complaints == ()

    async def test_while_it_is_in_use_it_is_said_to_be(self, site: Site) -> None:
        site.registry.records = [NEXT]
        await site.catalogue.refresh()
        engine = replace(site.catalogue.engines["damage"], stable="1.2.0")
        site.state = State(1, {"damage": EngineState("1.2.0")}, all_to_stable([engine], revision=1))
        site.registry.records, site.registry.files = [], (NEXT,)
        await site.catalogue.refresh()
        (complaint,) = site.catalogue.complaints
        assert "is in use, but not in the catalogue any more" in complaint

    async def test_its_version_stays_its_own(self, site: Site) -> None:
        """A file's version folder may be gone; its number is given to no other."""
        site.registry.files = (replace(NEXT, pins={"damage_detector": 7}),)
        await site.catalogue.refresh()
        assert {"damage_detector": 7} in site.catalogue.pins()


class TestRefreshing:
    async def test_nothing_new_changes_nothing(self, site: Site) -> None:
        before = site.catalogue.engines["damage"]
        assert not await site.catalogue.refresh()
        assert site.catalogue.generation == 1
        assert site.catalogue.engines["damage"] is before

    async def test_a_registered_release_shows_to_who_was_handed_the_mapping(
        self, site: Site
    ) -> None:
        engines = site.catalogue.engines
        site.registry.records = [NEXT]
        assert await site.catalogue.refresh()
        assert "1.2.0" in engines["damage"].releases
        assert site.catalogue.generation == 2

    async def test_a_new_version_folder(self, site: Site) -> None:
        site.models.specs["damage_detector"] = plain("damage_detector", 1, 2, 3)
        assert await site.catalogue.refresh()
        assert site.catalogue.specs["damage_detector"].versions == (1, 2, 3)

    async def test_new_golden_answers_count_at_once(self) -> None:
        site = Site()
        site.models.stored = {"volume": asked(7)}
        await site.catalogue.load()
        answers = {"4.0.0": {"Y": np.zeros(2)}}
        site.models.stored = {"volume": replace(asked(7), answers=answers)}
        assert await site.catalogue.refresh()
        assert site.catalogue.goldens["volume"].answers == answers
        assert not await site.catalogue.refresh()
        assert site.catalogue.complaints == ()

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"volume": Golden(Tolerance(0.1, 0.1), photo=b"photo")},
            {"volume": Golden(Tolerance(0.1, 0.1), inputs={"X": np.array([8])})},
            {"volume": Golden(Tolerance(0.1, 0.1), inputs={"Z": np.array([7])})},
        ],
    )
    async def test_another_golden_input_waits_for_the_next_start(
        self, change: dict[str, Golden]
    ) -> None:
        site = Site()
        site.models.stored = {"volume": asked(7)}
        await site.catalogue.load()
        before = site.catalogue.goldens["volume"]
        site.models.stored = change
        assert not await site.catalogue.refresh()
        assert site.catalogue.goldens["volume"] is before
        assert site.catalogue.complaints == (
            "the golden input of 'volume' has changed; it is taken at the next start",
        )

    async def test_so_does_the_first_one_of_an_engine(self, site: Site) -> None:
        site.models.stored = {"volume": asked(7)}
        assert not await site.catalogue.refresh()
        assert dict(site.catalogue.goldens) == {}
        assert len(site.catalogue.complaints) == 1

    async def test_who_waits_for_a_change_is_told(self, site: Site) -> None:
        waiting = asyncio.create_task(site.catalogue.changed(1))
        await asyncio.sleep(0)
        await site.catalogue.refresh()
        assert not waiting.done()
        site.registry.records = [NEXT]
        await site.catalogue.refresh()
        assert await waiting == 2
        assert await site.catalogue.changed(0) == 2


class TestLastGood:
    async def test_a_repository_that_cannot_be_read(self, site: Site) -> None:
        site.models.complaint = "releases.yaml is wrong"
        assert not await site.catalogue.refresh()
        assert dict(site.catalogue.engines) == ENGINES
        assert site.catalogue.complaints == ("releases.yaml is wrong; all stays as it was",)
        site.models.complaint = ""
        assert not await site.catalogue.refresh()
        assert site.catalogue.complaints == ()

    async def test_a_registry_that_is_away(self, site: Site) -> None:
        site.registry.records = [NEXT]
        await site.catalogue.refresh()
        site.registry.is_away = True
        site.models.specs["damage_detector"] = plain("damage_detector", 1, 2, 3)
        assert await site.catalogue.refresh()
        assert "1.2.0" in site.catalogue.engines["damage"].releases
        assert site.catalogue.complaints == (
            "the registry is away; what it said before still holds",
        )

    async def test_a_record_that_cannot_be_used_is_left_out_and_the_rest_serves(
        self, site: Site
    ) -> None:
        site.registry.complaints = ("version 3 of damage has no tag tidegate.pins",)
        site.registry.records = [replace(NEXT, pins={"damage_detector": 9}), NEXT]
        assert await site.catalogue.refresh()
        assert "1.2.0" in site.catalogue.engines["damage"].releases
        assert site.catalogue.complaints == (
            "version 3 of damage has no tag tidegate.pins",
            "a file: release 1.2.0 of 'damage' pins 'damage_detector' to 9; the repository has "
            "versions: 1, 2; it is left out",
        )

    async def test_a_release_in_use_is_kept_when_it_is_taken_from_the_file(
        self, site: Site
    ) -> None:
        site.state = State(1, {"damage": EngineState("1.1.0")})
        site.models.declared["damage"] = {"stable": "1.0.0", "releases": {"1.0.0": None}}
        await site.catalogue.refresh()
        assert list(site.catalogue.engines["damage"].releases) == ["1.0.0", "1.1.0"]
        assert site.catalogue.complaints == (
            "release 1.1.0 of 'damage' is in use, but not in the catalogue any more; "
            "it is kept as it was",
        )

    async def test_one_that_nobody_uses_goes(self, site: Site) -> None:
        site.models.declared["damage"] = {"stable": "1.0.0", "releases": {"1.0.0": None}}
        assert await site.catalogue.refresh()
        assert list(site.catalogue.engines["damage"].releases) == ["1.0.0"]
        assert site.catalogue.complaints == ()

    async def test_an_engine_in_use_is_kept_with_its_models(self, site: Site) -> None:
        site.state = State(1, {}, TABLE)
        for name in ("damage", "damage_detector"):
            del site.models.specs[name]
        del site.models.declared["damage"]
        await site.catalogue.refresh()
        assert dict(site.catalogue.engines) == ENGINES
        assert dict(site.catalogue.specs) == SPECS
        assert site.catalogue.complaints == (
            "engine 'damage' is in use, but not in the repository any more; it is kept as it was",
        )

    async def test_an_engine_that_nobody_has_known_cannot_be_kept(self) -> None:
        site = Site()
        release = replace(VOLUME, engine="roof")
        engine = replace(ENGINES["volume"], name="roof", releases={"4.0.0": release})
        site.state = State(1, {}, all_to_stable([engine], revision=1))
        await site.catalogue.load()
        assert dict(site.catalogue.engines) == ENGINES
        assert site.catalogue.complaints == (
            "release 4.0.0 of 'roof' is in use, but the repository has no such engine",
        )

    async def test_a_configuration_that_was_edited_waits_for_the_next_start(
        self, site: Site
    ) -> None:
        edited = replace(SPECS["damage_detector"], config={"name": "damage_detector", "x": 1})
        site.models.specs["damage_detector"] = replace(edited, versions=(1, 2, 3))
        await site.catalogue.refresh()
        spec = site.catalogue.specs["damage_detector"]
        assert (spec.config, spec.versions) == (SPECS["damage_detector"].config, (1, 2, 3))
        assert site.catalogue.complaints == (
            "the configuration of 'damage_detector' has changed in the repository; "
            "it is taken at the next start",
        )


def test_a_current_mapping_is_the_one_of_now() -> None:
    mappings = [{"a": 1}]
    view = Current(lambda: mappings[-1])
    mappings.append({"b": 2, "c": 3})
    assert (dict(view), len(view), "a" in view) == ({"b": 2, "c": 3}, 2, False)

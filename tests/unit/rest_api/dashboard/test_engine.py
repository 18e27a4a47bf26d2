"""The page of an engine: releases, curves, the rollout and its history."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import orjson
import pytest

from control_plane.core.drift import Against, Drift
from control_plane.core.rollout import Plan, State
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.dashboard.engine import ReleaseRow
from tests.unit.rest_api.dashboard.test_overview import asked, text_of
from tests.unit.rest_api.fakes import Edge, engine_view
from tests.unit.rollouts import assessment

PATH = "/dashboard/engines/damage"


async def page_of(edge: Edge, path: str = PATH) -> str:
    async with edge.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return answer.text


def orders(page: str) -> list[tuple[str, str]]:
    return re.findall(r'data-act="([^"]+)" data-verb="([^"]+)"', page)


async def test_an_engine_without_anything_says_so() -> None:
    text = text_of(await page_of(Edge()))
    assert "This engine has had no rollout yet." in text
    assert "No requests in the last 15 min: nothing to draw." in text
    assert "No answer was looked at in the last 15 min." in text
    assert "no requests in the last 15 min" in text
    assert "None yet." in text
    assert "tidegate feedback ID --right damage" in text


async def test_its_releases_and_curves() -> None:
    edge = Edge()
    asked(edge, 60, errors=3)
    edge.counts.saw_confidence("damage", "1.1.0", 0.85, edge.clock.now_s())
    edge.clock.reading_s += 10  # the step is over
    page = await page_of(edge, PATH + "?span=1m")
    text = text_of(page)
    assert "1.1.0 stable canary" in text
    assert "damage_detector 2" in text
    drawn = [orjson.loads(html.unescape(one)) for one in re.findall(r'data-series="([^"]+)"', page)]
    assert [one["unit"] for one in drawn] == ["%", "ms", "%", "%"]
    errors = drawn[2]["series"]
    assert [one["label"] for one in errors] == ["1.1.0"]
    assert 0.05 in errors[0]["values"]
    assert "1.1.0 of 1 answers" in text


async def test_its_rollout_with_the_evidence_and_what_may_be_ordered() -> None:
    edge = Edge()
    view = await edge.rollouts.start("damage", "1.1.0", Plan(), who="ada", reason="try")
    name = view.rollout.rollout_id
    edge.rollouts.move(name, state=State.STEP, step=2, reason="step 1 was passed")
    edge.rollouts.looks[name] = [assessment(2)]
    page = await page_of(edge)
    text = text_of(page)
    assert "Rollout: canary 1.0.0 → 1.1.0 in a step" in text
    assert "step 1 was passed" in text
    assert "errors undecided yet" in text
    assert "target is worse 3.5 of 90" in text
    assert "target is not worse 20 of 55" in text
    assert "312 of at least 100 samples in this step" in text
    assert [(path.rpartition("/")[2], verb) for path, verb in orders(page)] == [
        ("rollback", "Roll back"),
        ("pause", "Pause"),
        ("advance", "Advance"),
        ("abort", "Abort"),
    ]
    assert f'data-fields="{html.escape(orjson.dumps({"rollout": name}).decode())}"' in page.replace(
        "&#34;", "&quot;"
    ).replace(": &quot;", ":&quot;")
    edge.rollouts.move(name, state=State.ROLLED_BACK)
    page = await page_of(edge)
    assert "Last rollout: canary" in text_of(page)
    assert orders(page) == []


async def test_while_the_store_is_away_what_is_not_there_is_said() -> None:
    edge = Edge()
    away = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "the state store does not answer")
    edge.rollouts.error = away
    text = text_of(await page_of(edge))
    assert re.search("The rollout cannot be read since .*: the state store does not answer", text)
    assert re.search("The history cannot be read since .*: the state store does not answer", text)
    assert "has had no rollout yet" not in text
    assert "1.1.0 stable" in text


@pytest.mark.parametrize(
    ("index", "words", "tone"),
    [
        (None, "\u2013", "idle"),
        (0.04, "none, 0.04 against stable", "idle"),
        (0.15, "moderate, 0.15 against stable", "info"),
        (0.31, "large, 0.31 against stable", "warn"),
    ],
)
def test_a_drift_in_words(index: float | None, words: str, tone: str) -> None:
    release = engine_view().releases[0]
    row = ReleaseRow(release, "a", None, None, Drift(index, 500, Against.STABLE, 900))
    assert (row.drift_words, row.drift_tone) == (words, tone)
    unknown = ReleaseRow(release, "a", None, None, None)
    assert (unknown.drift_words, unknown.drift_tone) == ("\u2013", "idle")


def test_what_has_no_traffic_warns_of_no_drift() -> None:
    release = replace(engine_view().releases[0], shadow_bp=0)
    row = ReleaseRow(release, "a", None, None, Drift(0.31, 500, Against.STABLE, 900))
    assert (row.drift_words, row.drift_tone) == ("large, 0.31 against stable", "idle")

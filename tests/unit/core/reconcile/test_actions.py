"""What Triton says it has done is compared with what it has."""

from __future__ import annotations

import pytest

from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile import Action, NarrowVersions, Prove, unmet
from tests.unit.core.reconcile.seeing import having
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, VOLUME

BOTH = having(DAMAGE, DAMAGE_NEXT)


@pytest.mark.parametrize(
    ("action", "observed"),
    [
        (LoadVersions("damage_detector", (1, 2)), BOTH),
        (LoadVersions("damage_detector", (2,)), BOTH),
        (LoadTwin(DAMAGE_NEXT), BOTH),
        (UnloadTwin(DAMAGE_NEXT), having(DAMAGE)),
        (NarrowVersions("damage_detector", (1,)), having(DAMAGE)),
        (UnloadComponent("damage_detector"), having(VOLUME)),
        (Prove(DAMAGE), having()),
    ],
)
def test_what_was_done_is_done(action: Action, observed: Observation) -> None:
    assert unmet(action, observed) == ""


@pytest.mark.parametrize(
    ("action", "observed", "complaint"),
    [
        (
            LoadVersions("damage_detector", (1, 7, 8)),
            having(DAMAGE),
            "damage_detector 7, 8 was loaded and is not ready",
        ),
        (LoadVersions("volume", (4,)), having(), "volume 4 was loaded and is not ready"),
        (LoadTwin(DAMAGE), having(), "damage--1.0.0 was loaded and is not ready"),
        (
            LoadTwin(DAMAGE),
            Observation(BOTH.ready_versions, {"damage--1.0.0": DAMAGE_NEXT.pins}),
            "damage--1.0.0 was loaded and is not ready",
        ),
        (UnloadTwin(DAMAGE), BOTH, "damage--1.0.0 was unloaded and is still ready"),
        (
            NarrowVersions("damage_detector", (1,)),
            BOTH,
            "damage_detector was narrowed to 1; wrong is 2",
        ),
        (
            NarrowVersions("damage_detector", (1, 2)),
            having(DAMAGE),
            "damage_detector was narrowed to 1, 2; wrong is 2",
        ),
        (
            NarrowVersions("volume", (4,)),
            having(),
            "volume was narrowed to 4; wrong is 4",
        ),
        (
            UnloadComponent("damage_detector"),
            BOTH,
            "damage_detector 1, 2 was unloaded and is still ready",
        ),
    ],
)
def test_what_was_not_done_is_told(action: Action, observed: Observation, complaint: str) -> None:
    assert unmet(action, observed) == complaint

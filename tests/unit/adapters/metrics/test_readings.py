"""What is read at the scrape: one that fails costs no other."""

from __future__ import annotations

from structlog.testing import capture_logs

from control_plane.adapters.metrics.evidence import EvidenceMetrics
from control_plane.adapters.metrics.family import Family, Kind, Values
from control_plane.adapters.metrics.process import ProcessMetrics
from control_plane.adapters.metrics.readings import Readings
from control_plane.core.rollout import Assessment, MetricFigures, Verdict
from control_plane.ports import StoreUnavailable
from tests.unit.adapters.metrics.reading import series

LOAD = Family("tidegate_load", Kind.GAUGE, "Load.", ("instance",))
SEEN = Family("tidegate_seen_total", Kind.COUNTER, "Seen.")


async def test_each_family_is_read_anew() -> None:
    loads: dict[tuple[str, ...], float] = {("triton-0",): 1}
    readings = Readings({LOAD: lambda: loads, SEEN: lambda: {(): 7}})
    assert await series(readings) == {"tidegate_load triton-0": 1, "tidegate_seen_total": 7}
    loads["triton-1",] = 2
    assert (await series(readings))["tidegate_load triton-1"] == 2


async def test_what_cannot_be_read_is_missing_and_told() -> None:
    def fail() -> Values:
        raise KeyError("triton-9")

    with capture_logs() as logs:
        found = await series(Readings({LOAD: fail, SEEN: lambda: {(): 7}}))
    assert found == {"tidegate_seen_total": 7}
    assert [(line["event"], line["metric"]) for line in logs] == [
        ("a metric is missing", "tidegate_load")
    ]


async def test_evidence_stands_beside_its_threshold() -> None:
    errors = MetricFigures("errors", Verdict.UNDECIDED, log_e=1.5, log_threshold=4.0)

    async def looks() -> dict[str, Assessment]:
        return {"damage": Assessment(1000.0, 1, Verdict.UNDECIDED, "", 20, (errors,))}

    assert await series(EvidenceMetrics(looks, lambda: 0.0)) == {
        "tidegate_rollout_evidence_up": 1,
        "tidegate_rollout_evidence damage errors": 1.5,
        "tidegate_rollout_evidence_threshold damage errors": 4,
    }


async def test_evidence_is_missing_while_the_store_is_away() -> None:
    async def looks() -> dict[str, Assessment]:
        raise StoreUnavailable("away")

    found = await series(EvidenceMetrics(looks, lambda: 0.0))
    assert found == {"tidegate_rollout_evidence_up": 0}


async def test_the_process_says_what_it_is_and_uses() -> None:
    found = await series(ProcessMetrics("1.2.3"))
    assert [value for name, value in found.items() if name.endswith(" 1.2.3")] == [1]
    assert found["process_resident_memory_bytes"] > 1e6

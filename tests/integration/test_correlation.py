"""The correlation id: in, through, out, and in every log line of the request."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration.asking import DETECT, INFER, infer_request, refusal_of
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate, wait_until

pytestmark = pytest.mark.triton


def test_rest_gives_it_back_and_logs_under_it(tidegate: RunningTidegate) -> None:
    mine = f"rest-{uuid.uuid4()}"
    project = str(uuid.uuid4())
    response = tidegate.detect(
        small_photo(),
        detection_types="damage,materials",
        release="damage=1.1.0",
        metadata=f'{{"project_id": "{project}"}}',
        **{"x-correlation-id": mine},
    )
    assert response.headers["x-correlation-id"] == mine
    assert response.json()["correlation_id"] == mine
    lines = wait_until(lambda: _with_event(tidegate, mine, "request"))
    assert {line["event"] for line in lines} == {"engine failed", "request"}
    assert all(line["project_id"] == project for line in lines)
    failed = next(line for line in lines if line["event"] == "engine failed")
    assert (failed["engine"], failed["code"]) == ("damage", "release_not_ready")


def test_a_refusal_over_rest_has_it_too(tidegate: RunningTidegate) -> None:
    mine = f"refused-{uuid.uuid4()}"
    response = tidegate.detect(b"no photo", **{"x-correlation-id": mine})
    assert response.json()["correlation_id"] == response.headers["x-correlation-id"] == mine
    lines = wait_until(lambda: _with_event(tidegate, mine, "request"))
    assert lines[-1]["status"] == 422


@pytest.mark.parametrize("unfit", ["has a space", "x" * 129, 'quote"', "semi;colon"])
def test_an_id_that_would_not_fit_a_log_is_replaced(tidegate: RunningTidegate, unfit: str) -> None:
    response = httpx.get(f"{tidegate.url}/healthz", headers={"x-correlation-id": unfit})
    assert str(uuid.UUID(response.headers["x-correlation-id"]))


def test_grpc_gives_it_back_and_logs_under_it(tidegate: RunningTidegate) -> None:
    mine = f"grpc-{uuid.uuid4()}"
    request = pb.DetectRequest(photo=b"no photo").SerializeToString()
    _, _, trailing = refusal_of(
        tidegate.grpc, DETECT, request, metadata=(("x-correlation-id", mine),)
    )
    assert trailing["x-correlation-id"] == mine
    (line,) = wait_until(lambda: _with_event(tidegate, mine, "call refused"))
    assert (line["method"], line["code"]) == ("Detect", "photo_invalid")


def test_kserve_refusals_are_logged_under_it(tidegate: RunningTidegate) -> None:
    mine = f"kserve-{uuid.uuid4()}"
    request = infer_request(small_photo(), "roofs").SerializeToString()
    refusal_of(tidegate.grpc, INFER, request, metadata=(("x-correlation-id", mine),))
    (line,) = wait_until(lambda: _with_event(tidegate, mine, "call refused"))
    assert line["code"] == "unknown_engine"


def test_ids_of_requests_side_by_side_do_not_mix(tidegate: RunningTidegate) -> None:
    ids = [f"side-{number}-{uuid.uuid4()}" for number in range(16)]

    def ask(mine: str) -> None:
        answer = tidegate.detect(
            small_photo(),
            detection_types="damage,materials",
            release="damage=1.1.0",
            **{"x-correlation-id": mine},
        ).json()
        assert answer["correlation_id"] == mine

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, ids))
    for mine in ids:
        lines = wait_until(lambda mine=mine: _with_event(tidegate, mine, "request"))
        assert sorted(line["event"] for line in lines) == ["engine failed", "request"]


def test_every_line_of_the_log_is_json_with_a_level_and_a_time(tidegate: RunningTidegate) -> None:
    lines = tidegate.log_lines()
    assert lines
    for line in lines:
        assert line["level"] in {"debug", "info", "warning", "error"}
        assert re.match(r"\d{4}-\d\d-\d\dT", line["timestamp"])
    # What other tests break here is rightly called an error; what nobody foresaw never is.
    assert not [line for line in lines if "exception" in line]


def _with_event(tidegate: RunningTidegate, mine: str, event: str) -> list[dict[str, object]]:
    """The request's lines once ``event``, its last, is among them."""
    lines = tidegate.log_lines(mine)
    return lines if any(line["event"] == event for line in lines) else []

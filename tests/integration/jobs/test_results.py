"""Results on their way to where they are sent: refused, given up, sent again."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.integration.jobs.asking import accepted, act, finished, job_of, status_of, submit
from tests.integration.jobs.receiving import Receiver
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate, wait_until

pytestmark = pytest.mark.triton


def wait_delivered(tidegate: RunningTidegate, request_id: str) -> None:
    def is_delivered() -> bool:
        handover = job_of(tidegate, request_id)["handover"]
        return handover is not None and handover["state"] == "delivered"

    wait_until(is_delivered, timeout_s=60, what=f"the result of {request_id} is delivered")


def test_a_result_is_sent_until_it_is_taken_and_is_the_same_each_time(
    tidegate: RunningTidegate, receiver: Receiver, photo_root: Path
) -> None:
    whole_id, missing_id = (f"result-{uuid.uuid4()}" for _ in range(2))
    receiver.answers |= {whole_id: [503, 429], missing_id: [500]}
    whole = accepted(submit(tidegate, small_photo(), headers={"x-correlation-id": whole_id}))
    place = (photo_root / f"{uuid.uuid4()}.jpg").as_uri()
    headers = {"x-correlation-id": missing_id}
    missing = accepted(submit(tidegate, photo_url=place, headers=headers))
    for request_id, status, tries in ((whole, "completed", 3), (missing, "failed", 2)):
        assert finished(tidegate, request_id)["status"] == status
        wait_delivered(tidegate, request_id)
        sent = receiver.received[f"{request_id}.0"]
        assert len(sent) >= tries
        assert len(set(sent)) == 1, f"two contents of {request_id}"
        assert json.loads(sent[0]) == status_of(tidegate, request_id)
    assert not receiver.forged


def test_a_result_that_nobody_takes_can_be_sent_again(
    tidegate: RunningTidegate, receiver: Receiver
) -> None:
    correlation_id = f"result-{uuid.uuid4()}"
    receiver.answers[correlation_id] = [410]
    headers = {"x-correlation-id": correlation_id}
    request_id = accepted(submit(tidegate, small_photo(), headers=headers))

    def is_given_up() -> bool:
        handover = job_of(tidegate, request_id)["handover"]
        return handover is not None and handover["state"] == "given_up"

    wait_until(is_given_up, timeout_s=90, what="it is given up")
    path = f"/api/v1/jobs?undelivered=true&correlation_id={correlation_id}"
    assert [one["id"] for one in tidegate.get(path)["jobs"]] == [request_id]
    assert act(tidegate, f"{request_id}/resend").status_code == 200
    wait_delivered(tidegate, request_id)
    assert tidegate.get(path)["jobs"] == []
    assert act(tidegate, f"{request_id}/resend").status_code == 409
    first, *again = receiver.received[f"{request_id}.0"]
    assert again
    assert set(again) == {first}

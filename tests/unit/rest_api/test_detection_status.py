"""What has become of a detection: asked once, and followed."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.event_streams import HEARTBEAT, stream, write_event
from tests.unit.fake_jobs import JOB_ID, dead_job, finished, make_job
from tests.unit.rest_api.fakes import LIMITS, Edge, check_problem
from tests.unit.virtual_time import run_virtually

STATUS = f"/api/v1/orchestrator/status/{JOB_ID}"


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.mark.parametrize(
    "job",
    [make_job(), make_job(state=DetectionStatus.PROCESSING), finished(make_job()), dead_job()],
)
async def test_every_state_is_an_answer(edge: Edge, job: Any) -> None:
    edge.jobs.put(job)
    async with edge.client() as client:
        response = await client.get(STATUS)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["request_id"] == JOB_ID
    assert body["status"] == job.state.value
    if job.dead:
        assert body["errors"]["damage"]["code"] == "photo_unavailable"


@pytest.mark.parametrize("name", [JOB_ID, "none", "%00", "{" + JOB_ID + "}"])
@pytest.mark.parametrize("end", ["", "/events"])
async def test_an_unknown_id_is_not_found(edge: Edge, name: str, end: str) -> None:
    async with edge.client() as client:
        response = await client.get(f"/api/v1/orchestrator/status/{name}{end}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_a_store_that_is_away_is_said(edge: Edge) -> None:
    edge.jobs.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "away")
    async with edge.client() as client:
        check_problem(await client.get(STATUS), 503, ErrorCode.STORE_UNAVAILABLE, None)


@pytest.mark.parametrize(
    ("path", "accept"), [(STATUS, "text/event-stream"), (f"{STATUS}/events", "*/*")]
)
async def test_changes_come_as_events_until_it_is_finished(
    edge: Edge, path: str, accept: str
) -> None:
    edge.jobs.put(make_job())

    async def work() -> None:
        await edge.jobs.is_watched.wait()
        edge.jobs.put(finished(make_job()))

    async with edge.client() as client:
        working = asyncio.create_task(work())
        response = await client.get(path, headers={"Accept": accept})
        await working
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    head, *events, end = response.text.split("\n\n")
    assert head == "retry: 2000"
    assert end == ""
    lines = [event.split("\n") for event in events]
    assert all(line[0] == "event: status" for line in lines)
    told = [json.loads(line[2].removeprefix("data: ")) for line in lines]
    assert [one["status"] for one in told][-1] == "completed"
    assert len({line[1] for line in lines}) == len(lines)
    assert edge.jobs.watching == 0


async def test_who_has_seen_the_end_is_told_to_come_no_more(edge: Edge) -> None:
    """An EventSource connects again whenever a stream ends, unless the answer is 204."""
    edge.limits = type(LIMITS)(100_000, 10.0, 60.0, max_watchers=1)
    edge.jobs.put(finished(make_job()))
    async with edge.client() as client:
        told = (await client.get(f"{STATUS}/events")).text
        seen = told.partition("id: ")[2].partition("\n")[0]
        for _ in range(2):
            again = await client.get(f"{STATUS}/events", headers={"Last-Event-ID": seen})
            assert (again.status_code, again.content) == (204, b"")
        other = await client.get(f"{STATUS}/events", headers={"Last-Event-ID": "0-1.000000"})
    assert other.text == told
    assert edge.jobs.watching == 0


async def test_streams_are_counted_and_bounded(edge: Edge) -> None:
    edge.limits = type(LIMITS)(100_000, 10.0, 60.0, max_watchers=1)
    edge.jobs.put(make_job())
    async with edge.client() as client:
        first = asyncio.create_task(client.get(f"{STATUS}/events"))
        await edge.jobs.is_watched.wait()
        refused = await client.get(f"{STATUS}/events")
        assert refused.status_code == 429
        assert refused.json()["retry_after_s"] == 2.0
        edge.jobs.put(finished(make_job()))
        assert (await first).status_code == 200
        assert (await client.get(f"{STATUS}/events")).status_code == 200


async def test_what_the_desk_refuses_is_said_and_counted_no_more(edge: Edge) -> None:
    edge.limits = type(LIMITS)(100_000, 10.0, 60.0, max_watchers=1)
    edge.jobs.error = ControlPlaneError(ErrorCode.OVERLOADED, "too many watch")
    async with edge.client() as client:
        for _ in range(2):
            refused = await client.get(f"{STATUS}/events")
            assert "too many watch" in check_problem(refused, 429, ErrorCode.OVERLOADED, None)


async def test_streams_end_when_the_server_stops(edge: Edge) -> None:
    edge.jobs.put(make_job())
    async with edge.client() as client:
        following = asyncio.create_task(client.get(f"{STATUS}/events"))
        await edge.jobs.is_watched.wait()
        edge.stopping.set()
        response = await following
        assert response.text.count("event: status") <= 1
        assert edge.jobs.watching == 0
        late = await client.get(f"{STATUS}/events")
        check_problem(late, 503, ErrorCode.SHUTTING_DOWN, None)


def test_a_silent_stream_shows_that_it_lives() -> None:
    async def follow() -> list[bytes]:
        stopping = asyncio.Event()

        async def silent() -> Any:
            await asyncio.sleep(40)
            yield b"x"

        async with aclosing(stream(b"1", silent(), write=lambda x: x, stopping=stopping)) as events:
            return [event async for event in events]

    assert run_virtually(follow()) == [b"retry: 2000\n\n1", HEARTBEAT, HEARTBEAT, b"x"]


def test_a_stream_that_is_left_closes_its_source() -> None:
    closed = []

    async def follow() -> None:
        async def endless() -> Any:
            try:
                while True:
                    yield b"x"
                    await asyncio.sleep(1)
            finally:
                closed.append(True)

        events = stream(b"1", endless(), write=lambda x: x, stopping=asyncio.Event())
        async with aclosing(events):
            await anext(events)
            assert await anext(events) == b"x"

    run_virtually(follow())
    assert closed == [True]


async def test_a_source_that_fails_ends_the_stream() -> None:
    async def failing() -> Any:
        yield b"x"
        raise ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "away")

    events = stream(b"1", failing(), write=lambda x: x, stopping=asyncio.Event())
    assert [event async for event in events] == [b"retry: 2000\n\n1", b"x"]


def test_an_event_is_as_the_standard_has_it() -> None:
    assert write_event("status", b"{}", event_id="0-1") == b"event: status\nid: 0-1\ndata: {}\n\n"

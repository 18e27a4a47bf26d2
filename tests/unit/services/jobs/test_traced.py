"""A job is one trace, from its acceptance through each attempt to each delivery."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from control_plane.core.detections import EngineFailure
from control_plane.core.tracing import Propagation, SpanKind, TraceContext, TraceView
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Delivery, ResultRefused
from control_plane.services.jobs.adopting import Adoption, AdoptionOptions
from control_plane.services.tracing import Tracing, TracingOptions
from tests.unit.fakes import FakeCalendar
from tests.unit.services.jobs.site import (
    DAY_S,
    PHOTO,
    UNSENT,
    URL,
    Clock,
    Site,
    read_message,
    submission,
)
from tests.unit.virtual_time import run_virtually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = TraceContext(TRACE, SPAN, True)
FAULT = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")


def traced(site: Site) -> Tracing:
    tracing = Tracing(
        clock=Clock(), calendar=FakeCalendar(), bits=site.rng, options=TracingOptions()
    )
    site.tracing = tracing
    return tracing


async def submitted(site: Site, tracing: Tracing, **asked: object) -> str:
    with tracing.root("submit", correlation_id="roof-7", parent=PARENT):
        job = await site.intake().submit(submission(**asked))  # type: ignore[arg-type]
    return job.job_id


def seen(tracing: Tracing, name: str) -> TraceView:
    view = tracing.find(name)
    assert view is not None
    return view


def tree(view: TraceView) -> list[tuple[str, str]]:
    names = {one.span_id: one.name for one in view.spans}
    return [(one.name, names.get(one.parent_id or "", "")) for one in view.spans]


def test_a_job_goes_on_with_the_trace_it_was_accepted_in() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        tracing = traced(site)
        job_id = await submitted(site, tracing, photo=PHOTO)
        await site.work(wait_s=0.0)
        await site.delivering().deliver(job_id)
        view = seen(tracing, job_id)

        assert view.trace_id == TRACE
        assert view.error == ""
        assert tree(view) == [
            ("submit", ""),
            ("photo.keep", "submit"),
            ("store", "submit"),
            ("publish", "submit"),
            ("job", "submit"),
            ("claim", "job"),
            ("photo", "job"),
            ("store", "job"),
            ("settle", "job"),
            ("deliver", "submit"),
        ]
        job = next(one for one in view.spans if one.name == "job")
        assert job.attributes == {
            "engines": "damage,volume",
            "priority": "normal",
            "run": 0,
            "attempt": 1,
            "worker": "worker",
            "waited_s": 0.0,
            "ending": "completed",
        }
        deliver = view.spans[-1]
        assert site.sink.headers == [{"traceparent": f"00-{TRACE}-{deliver.span_id}-01"}]

    run_virtually(main())


def test_each_attempt_is_a_part_of_its_own() -> None:
    async def main() -> None:
        site = Site()
        site.detection.failures = {"volume": [FAULT]}
        tracing = traced(site)
        job_id = await submitted(site, tracing)
        await site.work()
        jobs = [one for one in seen(tracing, job_id).spans if one.name == "job"]

        assert [one.attributes["ending"] for one in jobs] == ["retried", "completed"]
        assert [one.attributes["engines"] for one in jobs] == ["damage,volume", "volume"]

    run_virtually(main())


def test_an_attempt_that_fails_says_why() -> None:
    async def main() -> None:
        site = Site()
        site.photos.by_url.clear()
        tracing = traced(site)
        job_id = await submitted(site, tracing)
        await site.work()
        view = seen(tracing, job_id)
        (job,) = [one for one in view.spans if one.name == "job"]

        assert (job.attributes["ending"], job.attributes["refused"]) == (
            "failed",
            "photo_not_found",
        )

    run_virtually(main())


def test_a_delivery_that_is_put_off_is_told_and_is_no_failure_of_the_job() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        site.sink.answers = [UNSENT]
        tracing = traced(site)
        job_id = await submitted(site, tracing)
        await site.work(wait_s=0.0)
        await site.delivering().deliver(job_id)
        view = seen(tracing, job_id)

        assert view.spans[-1].attributes == {"run": 0, "attempt": 1, "sent": "put_off"}
        assert view.error == ""

    run_virtually(main())


def test_a_delivery_that_is_given_up_fails_its_trace() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        site.sink.answers = [ResultRefused("gone")]
        tracing = traced(site)
        job_id = await submitted(site, tracing)
        await site.work(wait_s=0.0)
        await site.delivering().deliver(job_id)
        view = seen(tracing, job_id)

        assert view.spans[-1].attributes["sent"] == "given_up"
        assert view.error == "ResultGivenUp"

    run_virtually(main())


def test_a_repeat_is_a_trace_of_its_own_and_names_the_job() -> None:
    async def main() -> None:
        site = Site()
        tracing = traced(site)
        job_id = await submitted(site, tracing, key="k")
        other = TraceContext("5759e988bd862e3fe1be46a994272793", SPAN, True)
        with tracing.root("submit", correlation_id="again", parent=other):
            await site.intake().submit(submission(key="k"))

        assert seen(tracing, job_id).trace_id == TRACE
        assert seen(tracing, "again").spans[0].attributes == {"repeat_of": job_id}

    run_virtually(main())


def test_what_another_service_sends_goes_on_with_its_trace() -> None:
    async def main() -> None:
        site = Site()
        tracing = traced(site)
        await site.publish(json.dumps({"engines": ["damage"], "url": URL}).encode())
        (delivery,) = await site.take()
        carried = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        await site.worker().handle(replace(delivery, carried=carried))
        view = seen(tracing, TRACE)

        assert (view.name, view.parent_id) == ("job", SPAN)
        (job,) = await site.all_jobs()
        assert job.request is not None
        assert job.request.trace == PARENT

    run_virtually(main())


@pytest.mark.parametrize(
    ("propagation", "found"), [(Propagation.XRAY, True), (Propagation.W3C, False)]
)
def test_its_headers_are_those_that_the_settings_name(
    propagation: Propagation, found: bool
) -> None:
    async def main() -> None:
        site = Site()
        await site.publish(json.dumps({"engines": ["damage"], "url": URL}).encode())
        (delivery,) = await site.take()
        adoption = Adoption(
            store=site.store,
            read_message=read_message,
            options=AdoptionOptions(DAY_S, 7 * DAY_S, propagation),
        )
        header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
        carrying = replace(delivery, carried={"x-amzn-trace-id": header})
        job_id, _ = await adoption.job_of(carrying)
        request = (await site.job(job_id)).request

        assert request is not None
        assert (request.trace is not None) is found

    run_virtually(main())


def test_a_message_about_no_job_has_no_trace() -> None:
    async def main() -> None:
        site = Site()
        tracing = traced(site)
        await site.publish(b"no order")
        await site.work(wait_s=0.0)

        assert tracing.recent(limit=10) == ()

    run_virtually(main())


def test_a_submission_that_is_refused_fails_its_trace() -> None:
    async def main() -> None:
        site = Site()
        tracing = traced(site)
        with (
            pytest.raises(ControlPlaneError),
            tracing.root("submit", correlation_id="c-1", kind=SpanKind.SERVER),
        ):
            await site.intake(max_waiting=0).submit(submission())

        assert seen(tracing, "c-1").error.startswith("overloaded: ")

    run_virtually(main())


def test_a_delivery_without_headers_carries_nothing() -> None:
    assert Delivery(priority=submission().priority, body=b"").carried == {}

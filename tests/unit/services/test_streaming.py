"""One caller's stream over several releases: what is answered, what ends it, what it gives back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Release
from control_plane.core.routing import choose_release
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallMetadata
from control_plane.services import streaming
from control_plane.services.fleet import Fleet
from control_plane.services.streaming import InferStream
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.samples import TABLE, infer_request, make_fleet

DAMAGE, VOLUME = "damage--1.0.0", "volume"


def make_stream(fleet: Fleet, routing_key: str = "", **options: Any) -> InferStream:
    def choose(engine: str, wanted: str, key: str) -> Release:
        return choose_release(TABLE.route(engine), wanted, key)

    return InferStream(
        choose=choose, fleet=fleet, routing_key=routing_key, correlation_id="c-1", **options
    )


async def sent(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


async def sent_and_left_open(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message
    await asyncio.Event().wait()


async def answers_of(fleet: Fleet, messages: AsyncIterator[bytes]) -> list[tuple[str, ...]]:
    """Each answer as (name, version, id, error); the stream has to end by itself."""
    found = []
    async with asyncio.timeout(5), aclosing(make_stream(fleet).answers(messages)) as answers:
        async for raw in answers:
            answer = service_pb2.ModelStreamInferResponse.FromString(raw)
            response = answer.infer_response
            found.append(
                (response.model_name, response.model_version, response.id, answer.error_message)
            )
    return found


async def break_of(fleet: Fleet, messages: AsyncIterator[bytes]) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as broken:
        await answers_of(fleet, messages)
    assert in_flight(fleet) == 0
    return broken.value


def in_flight(fleet: Fleet) -> int:
    return sum(instance.in_flight for instance in fleet.instances)


async def test_several_engines_share_a_stream_each_under_its_own_name() -> None:
    triton = FakeInstance()
    fleet = make_fleet(triton)
    found = await answers_of(
        fleet,
        sent(
            infer_request("damage", request_id="1"),
            infer_request("volume", "4.0.0", request_id="2"),
            infer_request("damage", "stable", request_id="3"),
        ),
    )
    assert [answer for answer in found if answer[0] == "damage"] == [
        ("damage", "1.0.0", "1", ""),
        ("damage", "1.0.0", "3", ""),
    ]
    assert [answer for answer in found if answer[0] == "volume"] == [("volume", "4.0.0", "2", "")]
    assert len(found) == 3
    assert sorted(triton.calls) == ["damage--1.0.0/1", "damage--1.0.0/1", "volume/4"]
    assert in_flight(fleet) == 0


async def test_a_release_stays_on_the_instance_it_was_given() -> None:
    first, second = FakeInstance(), FakeInstance()
    fleet = make_fleet(first, second)
    await answers_of(fleet, sent(*[infer_request("damage")] * 5))
    assert sorted([len(first.calls), len(second.calls)]) == [0, 5]
    # An answer to a stream tells a probe that waits that the instance is busy, not dead.
    (answered,) = (one for one in fleet.instances if one.answered_at_s)
    assert answered.answered_at_s == {("damage", "1.0.0"): 1000.0}


async def test_an_empty_stream_ends_at_once() -> None:
    assert await answers_of(make_fleet(FakeInstance()), sent()) == []


@pytest.mark.parametrize(
    ("message", "request_id", "error"),
    [
        (infer_request("roof", request_id="7"), "7", "unknown model 'roof'"),
        (infer_request("damage", "9.9.9", request_id="8"), "8", "has no release '9.9.9'"),
        (b"\xff", "", "malformed protobuf: ends inside a number"),
    ],
)
async def test_a_bad_message_is_answered_inside_the_stream(
    message: bytes, request_id: str, error: str
) -> None:
    fleet = make_fleet(FakeInstance())
    found = await answers_of(fleet, sent(message, infer_request("volume", request_id="9")))
    assert [(name, found_id) for name, _, found_id, _ in found] == [
        ("", request_id),
        ("volume", "9"),
    ]
    assert error in found[0][3]


async def test_a_release_that_is_ready_nowhere_is_answered_inside_the_stream() -> None:
    fleet = make_fleet(FakeInstance(), serving=frozenset())
    ((_, _, _, error),) = await answers_of(fleet, sent(infer_request("damage")))
    assert error == "release 1.0.0 of engine 'damage' is ready on no instance"


async def test_an_engines_own_refusal_keeps_its_id_and_its_words() -> None:
    fleet = make_fleet(FakeInstance())
    found = await answers_of(fleet, sent(infer_request("damage", request_id="refuse me")))
    assert found == [("damage", "1.0.0", "refuse me", "bad tensor")]


async def test_the_twin_that_serves_a_release_is_not_named_to_the_caller() -> None:
    said = "in ensemble 'damage--1.0.0', model 'damage--1.0.0': no such input"

    class Refusing(FakeInstance):
        """Refuses inside the stream, as Triton does, and then breaks."""

        async def stream(
            self,
            messages: AsyncIterator[bytes],
            *,
            timeout_s: float | None = None,
            metadata: CallMetadata = (),
        ) -> AsyncIterator[bytes]:
            async for _ in messages:
                answer = service_pb2.ModelStreamInferResponse(error_message=said)
                answer.infer_response.id = "r-1"
                yield answer.SerializeToString()
                raise call_failed("INTERNAL", said)

    stream = make_stream(make_fleet(Refusing()))
    async with aclosing(stream.answers(sent_and_left_open(infer_request("damage")))) as answers:
        refused = service_pb2.ModelStreamInferResponse.FromString(await anext(answers))
        assert refused.error_message == "model 'damage': no such input"
        assert refused.infer_response.id == "r-1"
        with pytest.raises(ControlPlaneError) as broken:
            await anext(answers)
    assert broken.value.message == (
        "the stream to instance 'triton-0' broke: model 'damage': no such input"
    )


async def test_an_error_that_cannot_be_read_ends_the_stream_as_the_instances_fault() -> None:
    class Garbled(FakeInstance):
        """Answers the beginning of an error."""

        async def stream(
            self,
            messages: AsyncIterator[bytes],
            *,
            timeout_s: float | None = None,
            metadata: CallMetadata = (),
        ) -> AsyncIterator[bytes]:
            async for _ in messages:
                yield b"\x0a\x7f"

    broken = await break_of(make_fleet(Garbled()), sent_and_left_open(infer_request("damage")))
    assert broken.code is ErrorCode.BACKEND_FAULT


@pytest.mark.parametrize("stays_open", [False, True])
async def test_an_instance_that_breaks_ends_the_stream(stays_open: bool) -> None:
    failure = call_failed("UNAVAILABLE", "Socket closed")
    fleet = make_fleet(FakeInstance(failures={VOLUME: failure}))
    messages = sent_and_left_open if stays_open else sent
    broken = await break_of(fleet, messages(infer_request("damage"), infer_request("volume")))
    assert broken.code is ErrorCode.BACKEND_UNAVAILABLE
    assert broken.message == "the stream to instance 'triton-0' broke: Socket closed"


async def test_an_instance_that_ends_its_stream_early_ends_the_callers() -> None:
    fleet = make_fleet(FakeInstance(breaks_after=1))
    broken = await break_of(fleet, sent_and_left_open(*[infer_request("damage")] * 3))
    assert broken.code is ErrorCode.BACKEND_UNAVAILABLE
    assert broken.message == (
        "the stream to instance 'triton-0' broke: it ended before the caller's did"
    )


async def test_an_answer_that_cannot_be_read_ends_the_stream_as_the_instances_fault() -> None:
    class Garbled(FakeInstance):
        """Answers bytes that are no message."""

        async def stream(
            self,
            messages: AsyncIterator[bytes],
            *,
            timeout_s: float | None = None,
            metadata: CallMetadata = (),
        ) -> AsyncIterator[bytes]:
            async for _ in messages:
                yield b"\xff"

    broken = await break_of(make_fleet(Garbled()), sent_and_left_open(infer_request("damage")))
    assert broken.code is ErrorCode.BACKEND_FAULT


async def test_an_unexpected_error_ends_the_stream_too() -> None:
    class Bugged(FakeInstance):
        """Fails as only a bug of ours can."""

        async def stream(
            self,
            messages: AsyncIterator[bytes],
            *,
            timeout_s: float | None = None,
            metadata: CallMetadata = (),
        ) -> AsyncIterator[bytes]:
            async for _ in messages:
                raise RuntimeError("a bug")
                yield b""

    fleet = make_fleet(Bugged())
    with pytest.raises(RuntimeError, match="a bug"):
        await answers_of(fleet, sent_and_left_open(infer_request("damage")))
    assert in_flight(fleet) == 0


async def test_a_callers_stream_that_breaks_ends_everything() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield infer_request("damage")
        raise ConnectionError("gone")

    fleet = make_fleet(FakeInstance())
    with pytest.raises(ConnectionError):
        await answers_of(fleet, broken())
    assert in_flight(fleet) == 0


async def test_a_cancelled_caller_gives_every_place_back() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    fleet = make_fleet(triton)
    messages = sent_and_left_open(infer_request("damage"), infer_request("volume"))
    task = asyncio.create_task(answers_of(fleet, messages))
    assert {await triton.entered.get(), await triton.entered.get()} == {DAMAGE, VOLUME}
    assert in_flight(fleet) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert in_flight(fleet) == 0


async def test_a_caller_that_stops_reading_gives_every_place_back() -> None:
    fleet = make_fleet(FakeInstance())
    async with aclosing(
        make_stream(fleet).answers(sent_and_left_open(infer_request("damage")))
    ) as answers:
        await anext(answers)
        assert in_flight(fleet) == 1
    assert in_flight(fleet) == 0


async def test_a_caller_that_does_not_read_is_not_read_from() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield infer_request("damage")

    async with aclosing(make_stream(make_fleet(FakeInstance())).answers(endless())) as answers:
        await anext(answers)
        for _ in range(500):
            await asyncio.sleep(0)
        assert taken < 3 * streaming.WAITING_MESSAGES + 5


async def test_a_stream_talks_to_a_bounded_number_of_releases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "MAX_RELEASES", 1)
    fleet = make_fleet(FakeInstance())
    found = await answers_of(
        fleet, sent(infer_request("damage"), infer_request("volume"), infer_request("damage"))
    )
    assert sorted(error for *_, error in found) == [
        "",
        "",
        "one stream may ask at most 1 releases",
    ]


@pytest.mark.parametrize(
    ("routing_key", "request_id", "sequence", "key"),
    [
        ("caller", "r-1", 7, "caller"),
        ("", "r-1", 7, "7"),
        ("", "r-1", None, "r-1"),
        ("", "", None, "c-1"),
    ],
)
async def test_the_split_is_made_by_the_first_key_there_is(
    routing_key: str, request_id: str, sequence: int | None, key: str
) -> None:
    keys: list[str] = []

    def choose(engine: str, wanted: str, key: str) -> Release:
        keys.append(key)
        return choose_release(TABLE.route(engine), wanted, key)

    message = service_pb2.ModelInferRequest(model_name="damage", id=request_id)
    if sequence is not None:
        message.parameters["sequence_id"].int64_param = sequence
    stream = InferStream(
        choose=choose,
        fleet=make_fleet(FakeInstance()),
        routing_key=routing_key,
        correlation_id="c-1",
    )
    async for _ in stream.answers(sent(message.SerializeToString())):
        pass
    assert keys == [key]


@pytest.mark.parametrize("timeout_s", [None, 7.0])
async def test_the_callers_deadline_goes_to_the_instance(timeout_s: float | None) -> None:
    triton = FakeInstance()
    stream = make_stream(make_fleet(triton), timeout_s=timeout_s)
    async for _ in stream.answers(sent(infer_request("damage"))):
        pass
    if timeout_s is None:
        assert triton.timeouts_s == []
    else:
        (left_s,) = triton.timeouts_s
        assert 5.0 < left_s <= 7.0


async def test_a_stream_on_which_nothing_moves_is_ended() -> None:
    fleet = make_fleet(FakeInstance())
    messages = sent_and_left_open(infer_request("damage"), infer_request("volume"))
    async with aclosing(make_stream(fleet, idle_s=0.05).answers(messages)) as answers:
        found = [await anext(answers), await anext(answers)]
        with pytest.raises(ControlPlaneError) as ended:
            await anext(answers)
    assert all(found)
    assert ended.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert ended.value.message == "nothing moved on the stream for 0.05 s"
    assert in_flight(fleet) == 0


async def test_a_caller_that_takes_no_answer_is_not_waited_for() -> None:
    fleet = make_fleet(FakeInstance())

    async def take_one_and_no_more() -> None:
        messages = sent_and_left_open(infer_request("damage"))
        async with aclosing(make_stream(fleet, idle_s=0.05).answers(messages)) as answers:
            await anext(answers)
            await asyncio.Event().wait()

    task = asyncio.create_task(take_one_and_no_more())
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    assert task.cancelled()
    assert in_flight(fleet) == 0


async def test_a_stream_on_which_something_moves_goes_on() -> None:
    async def now_and_then() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield infer_request("damage")
            await asyncio.sleep(0.1)

    stream = make_stream(make_fleet(FakeInstance()), idle_s=0.3)
    assert len([answer async for answer in stream.answers(now_and_then())]) == 5


async def test_a_stream_holds_a_bounded_number_of_bytes_over_all_its_legs() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    fleet = make_fleet(triton)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield infer_request(("damage", "volume")[taken % 2], values=bytes(1000))

    answering = make_stream(fleet, max_held_bytes=4000).answers(endless())
    async with aclosing(answering) as answers:
        asked = asyncio.ensure_future(anext(answers))
        for _ in range(500):
            await asyncio.sleep(0)
        assert taken == 4  # three are held, the fourth waits for room
        triton.hold.set()
        assert await asked


async def test_answers_wait_for_room_too_and_one_that_is_too_large_passes_alone() -> None:
    stream = make_stream(make_fleet(FakeInstance()), max_held_bytes=10)
    asked = sent(*[infer_request("damage", values=bytes(1000))] * 3)
    async with asyncio.timeout(5):
        assert len([answer async for answer in stream.answers(asked)]) == 3


async def test_the_correlation_id_goes_to_every_instance() -> None:
    triton = FakeInstance()
    stream = make_stream(make_fleet(triton))
    async for _ in stream.answers(sent(infer_request("damage"), infer_request("volume"))):
        pass
    assert triton.metadata == [{"x-correlation-id": "c-1"}] * 2
    assert stream.releases == ("damage 1.0.0", "volume 4.0.0")


async def test_when_the_server_stops_what_was_taken_is_answered_and_the_stream_ends() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    fleet, stopping = make_fleet(triton), asyncio.Event()
    messages = sent_and_left_open(*[infer_request("damage")] * 3)
    answers = make_stream(fleet, stopping=stopping).answers(messages)
    first = asyncio.create_task(anext(answers))
    await triton.entered.get()
    stopping.set()
    triton.hold.set()
    async with asyncio.timeout(5), aclosing(answers):
        assert [await first, await anext(answers), await anext(answers)]
        with pytest.raises(ControlPlaneError) as ended:
            await anext(answers)
    assert ended.value.code is ErrorCode.SHUTTING_DOWN
    assert in_flight(fleet) == 0


async def test_a_stream_that_its_caller_ended_ends_well_also_when_the_server_stops() -> None:
    stopping = asyncio.Event()
    stopping.set()
    stream = make_stream(make_fleet(FakeInstance()), stopping=stopping)
    async with asyncio.timeout(5), aclosing(stream.answers(sent(infer_request("damage")))) as all_:
        assert len([answer async for answer in all_]) == 1

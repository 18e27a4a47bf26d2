"""ModelStreamInfer through the gateway, with the official clients."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.integration.asking import OUTPUTS, image_input
from tests.integration.photos import photo_of, small_photo
from tests.integration.running import RunningTidegate

pytestmark = pytest.mark.triton

ANSWER_TIMEOUT_S = 60
Answer = tuple[triton.InferResult | None, InferenceServerException | None]


@contextmanager
def stream_of(client: triton.InferenceServerClient) -> Iterator[queue.Queue[Answer]]:
    answers: queue.Queue[Answer] = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    try:
        yield answers
    finally:
        client.stop_stream()


def test_several_engines_on_one_stream(client: triton.InferenceServerClient) -> None:
    wanted = {f"{engine}-{turn}": engine for engine in OUTPUTS for turn in range(3)}
    with stream_of(client) as answers:
        for request_id, engine in wanted.items():
            client.async_stream_infer(engine, image_input(photo_of(engine)), request_id=request_id)
        results = [answers.get(timeout=ANSWER_TIMEOUT_S) for _ in wanted]
    got: dict[str, str] = {}
    for result, error in results:
        assert error is None
        assert result is not None
        response = result.get_response()
        assert response.model_version == "1.0.0"
        got[response.id] = response.model_name
        for name, shape in OUTPUTS[response.model_name].items():
            assert result.as_numpy(name).shape == (1, *shape)
    assert got == wanted


def test_one_engines_answers_keep_their_order(client: triton.InferenceServerClient) -> None:
    with stream_of(client) as answers:
        for number in range(8):
            client.async_stream_infer("damage", image_input(small_photo()), request_id=str(number))
        ids = [_response(answers.get(timeout=ANSWER_TIMEOUT_S)).id for _ in range(8)]
    assert ids == [str(number) for number in range(8)]


def test_a_bad_message_costs_only_itself(client: triton.InferenceServerClient) -> None:
    with stream_of(client) as answers:
        client.async_stream_infer("damage", image_input(small_photo()), request_id="good-1")
        assert _response(answers.get(timeout=ANSWER_TIMEOUT_S)).id == "good-1"
        for engine, release, photo, reason in (
            ("roofs", "", small_photo(), "unknown model"),
            ("damage", "9.9.9", small_photo(), "no release"),
            ("damage", "1.1.0", small_photo(), "not served now"),
            ("damage", "", b"no photo", "IMAGE"),
        ):
            client.async_stream_infer(
                engine, image_input(photo), model_version=release, request_id="bad"
            )
            result, error = answers.get(timeout=ANSWER_TIMEOUT_S)
            assert result is None
            assert error is not None
            assert reason in error.message()
        client.async_stream_infer("damage", image_input(small_photo()), request_id="good-2")
        assert _response(answers.get(timeout=ANSWER_TIMEOUT_S)).id == "good-2"


async def test_the_async_client_streams(tidegate: RunningTidegate) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for engine in OUTPUTS:
            yield {
                "model_name": engine,
                "inputs": image_input(small_photo()),
                "request_id": engine,
            }

    async with triton_aio.InferenceServerClient(tidegate.grpc) as client:
        got = set()
        async for result, error in client.stream_infer(requests()):
            assert error is None
            got.add(result.get_response().id)
    assert got == set(OUTPUTS)


def test_streams_leave_nothing_reserved(
    client: triton.InferenceServerClient, tidegate: RunningTidegate
) -> None:
    with stream_of(client) as answers:
        client.async_stream_infer("damage", image_input(small_photo()))
        _response(answers.get(timeout=ANSWER_TIMEOUT_S))
        assert sum(instance["in_flight"] for instance in tidegate.instances()) == 1
    tidegate.wait_idle()


def _response(answer: Answer) -> Any:
    result, error = answer
    assert error is None, error
    assert result is not None
    return result.get_response()

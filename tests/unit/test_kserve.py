"""The few messages Tidegate itself writes and reads, against Triton's client and protobuf."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import InferInput, service_pb2
from tritonclient.utils import deserialize_bytes_tensor, triton_to_np_dtype

from control_plane.core.detections import Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.kserve import (
    is_infer_request,
    read_outputs,
    read_tensors,
    write_photo_request,
    write_request,
    write_stream_error,
)
from tests.unit.fakes import echo
from tests.unit.samples import infer_request, write_tensors


def response(datatype: str, shape: list[int], raw: bytes) -> bytes:
    answer = service_pb2.ModelInferResponse()
    answer.outputs.add(name="Y", datatype=datatype, shape=shape)
    answer.raw_output_contents.append(raw)
    return bytes(answer.SerializeToString())


def fault_of(message: bytes) -> str:
    with pytest.raises(ControlPlaneError) as fault:
        read_tensors(message)
    assert fault.value.code is ErrorCode.BACKEND_FAULT
    return fault.value.message


@given(st.binary(max_size=50))
def test_a_photo_goes_out_as_one_string_of_a_batch_of_one(photo: bytes) -> None:
    request = service_pb2.ModelInferRequest.FromString(
        write_photo_request(photo, request_id="r-1", priority=Priority.HIGH)
    )
    assert request.id == "r-1"
    assert {key: value.int64_param for key, value in request.parameters.items()} == {"priority": 1}
    (tensor,) = request.inputs
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("IMAGE", "BYTES", [1, 1])
    (raw,) = request.raw_input_contents
    assert deserialize_bytes_tensor(raw).tolist() == [photo]


def test_a_photo_request_names_no_model_yet() -> None:
    raw = write_photo_request(b"x", request_id="", priority=Priority.LOW)
    request = service_pb2.ModelInferRequest.FromString(raw)
    assert (request.model_name, request.model_version) == ("", "")
    assert request.parameters["priority"].int64_param == 3


def test_tensors_come_without_their_batch_dimension() -> None:
    tensors = {
        "BOXES": np.arange(8, dtype=np.float32).reshape(2, 4),
        "NAMES": np.array([b"a", b"", b"\xff" * 300], np.object_),
        "COUNT": np.array([2], np.int32),
    }
    read = read_tensors(write_tensors(tensors).SerializeToString())
    assert list(read) == list(tensors)
    for name, values in tensors.items():
        assert read[name].dtype == values.dtype
        assert read[name].tolist() == values.tolist()


@pytest.mark.parametrize(
    "datatype",
    ["BOOL", "FP16", "FP32", "FP64"]
    + [f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)],
)
def test_every_datatype_is_read_as_tritons_client_does(datatype: str) -> None:
    values = np.array([[1, 0, 1]], triton_to_np_dtype(datatype))
    (read,) = read_tensors(response(datatype, [1, 3], values.tobytes())).values()
    assert read.dtype == values.dtype
    assert read.tolist() == values[0].tolist()


def text(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


BAD: dict[str, Any] = {
    "no message": b"\xff",
    "unknown datatype": response("BF16", [1, 1], bytes(2)),
    "too few bytes": response("FP32", [1, 2], bytes(4)),
    "too many bytes": response("FP32", [1, 1], bytes(8)),
    "half a number": response("FP32", [1, 1], bytes(3)),
    "no batch": response("FP32", [], bytes(4)),
    "empty batch": response("FP32", [0, 4], b""),
    "text cut in its length": response("BYTES", [1, 1], b"\x01\x00"),
    "text cut in its value": response("BYTES", [1, 1], struct.pack("<I", 100) + b"abc"),
    "too few texts": response("BYTES", [1, 2], text(b"a")),
    "output without bytes": service_pb2.ModelInferResponse(
        outputs=[service_pb2.ModelInferResponse.InferOutputTensor(name="Y")]
    ).SerializeToString(),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_cannot_be_read_is_a_backend_fault(name: str) -> None:
    assert fault_of(BAD[name]).startswith("the instance's answer cannot be read: ")


@given(st.binary(max_size=80))
def test_random_answers_are_read_or_a_backend_fault(message: bytes) -> None:
    try:
        read_tensors(message)
    except ControlPlaneError as fault:
        if fault.code is not ErrorCode.BACKEND_FAULT:
            raise


def test_a_refusal_inside_a_stream_says_which_request() -> None:
    answer = service_pb2.ModelStreamInferResponse.FromString(write_stream_error("why", "r-7"))
    assert answer.error_message == "why"
    assert answer.infer_response == service_pb2.ModelInferResponse(id="r-7")


def test_bytes_are_told_from_a_request() -> None:
    assert is_infer_request(b"")
    assert is_infer_request(infer_request("damage"))
    assert not is_infer_request(infer_request("damage")[:-1])
    assert not is_infer_request(b"\x2a\x01\xff")


class TestTensorRequests:
    def test_tensors_go_out_as_tritons_client_writes_them(self) -> None:
        tensors = {
            "X": np.arange(6, dtype=np.float32).reshape(2, 3).T,
            "NAMES": np.array([[b"a", b"\xff\x00"], [b"", b"bc"]], np.object_),
            "ON": np.array([True, False]),
        }
        raw = write_request(tensors, priority=Priority.HIGH)
        request = service_pb2.ModelInferRequest.FromString(raw)
        assert (request.model_name, request.parameters["priority"].int64_param) == ("", 1)
        for sent, data in zip(request.inputs, request.raw_input_contents, strict=True):
            expected = InferInput(sent.name, tensors[sent.name].shape, sent.datatype)
            expected.set_data_from_numpy(tensors[sent.name])
            assert list(sent.shape) == list(tensors[sent.name].shape)
            assert data == expected._get_content()
        assert [sent.datatype for sent in request.inputs] == ["FP32", "BYTES", "BOOL"]

    def test_what_was_sent_is_read_back(self) -> None:
        tensors = {"NAMES": np.array([[b"a"], [b"\xff"]], np.object_), "N": np.zeros((), np.int64)}
        request = service_pb2.ModelInferRequest.FromString(
            write_request(tensors, priority=Priority.LOW)
        )
        answer = echo(request)
        read = read_outputs(answer.SerializeToString())
        assert {name: (array.shape, array.tolist()) for name, array in read.items()} == {
            "NAMES": ((2, 1), [[b"a"], [b"\xff"]]),
            "N": ((), 0),
        }

"""KServe v2 messages that Tidegate itself writes and reads, by Triton's own protobuf.

The gateway forwards other people's messages as bytes (core/wire.py); this module is for
the few that start or end here: a photo going to an engine, and the engine's answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable

import numpy as np
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from control_plane.core.answers import Tensors
from control_plane.core.catalogue import PHOTO_INPUT
from control_plane.core.detections import Priority
from control_plane.core.tensors import BYTES, DTYPES, Array, datatype_of
from control_plane.errors import ControlPlaneError, ErrorCode

_ERROR_MESSAGE = b"\x0a"
"""How a ModelStreamInferResponse with an error begins: the tag of its first field."""


def write_photo_request(photo: bytes, *, request_id: str, priority: Priority) -> bytes:
    """A serialized ModelInferRequest with ``IMAGE`` ``[1, 1]``, to be targeted by its sender."""
    request = service_pb2.ModelInferRequest(id=request_id)
    request.parameters["priority"].int64_param = priority.triton_level
    request.inputs.add(name=PHOTO_INPUT, datatype="BYTES", shape=[1, 1])
    request.raw_input_contents.append(struct.pack("<I", len(photo)) + photo)
    return bytes(request.SerializeToString())


def write_request(tensors: Tensors, *, priority: Priority, outputs: Iterable[str] = ()) -> bytes:
    """A serialized ModelInferRequest with these inputs, to be targeted by its sender.

    outputs: those that are asked for; all of them if none is named.
    """
    request = service_pb2.ModelInferRequest()
    request.parameters["priority"].int64_param = priority.triton_level
    for name, array in tensors.items():
        request.inputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        request.raw_input_contents.append(_write_tensor(array))
    for name in outputs:
        request.outputs.add(name=name)
    return bytes(request.SerializeToString())


def read_tensors(message: bytes) -> dict[str, Array]:
    """The outputs of a serialized ModelInferResponse to one photo, batch dimension removed.

    Strings are arrays of bytes objects. Raises ControlPlaneError(BACKEND_FAULT).
    """
    try:
        return {name: tensor[0] for name, tensor in read_outputs(message).items()}
    except IndexError as error:
        raise ControlPlaneError(
            ErrorCode.BACKEND_FAULT,
            f"the instance's answer cannot be read: no batch dimension: {error}",
        ) from error


def read_outputs(message: bytes, names: Collection[str] | None = None) -> dict[str, Array]:
    """The outputs of a serialized ModelInferResponse. Raises ControlPlaneError(BACKEND_FAULT).

    names: those to read, if it has them; all if None.
    """
    try:
        response = service_pb2.ModelInferResponse.FromString(message)
        return {
            output.name: _read_tensor(output.datatype, list(output.shape), raw)
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
            if names is None or output.name in names
        }
    except (DecodeError, KeyError, ValueError, struct.error) as error:
        raise ControlPlaneError(
            ErrorCode.BACKEND_FAULT, f"the instance's answer cannot be read: {error!r}"
        ) from error


def write_stream_error(message: str, request_id: str) -> bytes:
    """A serialized ModelStreamInferResponse that refuses one request of a stream."""
    answer = service_pb2.ModelStreamInferResponse(error_message=message)
    answer.infer_response.id = request_id
    return bytes(answer.SerializeToString())


def reword_stream_error(message: bytes, reword: Callable[[str], str]) -> bytes:
    """A serialized ModelStreamInferResponse with its error, if it has one, in other words.

    Raises ControlPlaneError(BACKEND_FAULT) for an error that cannot be read.
    """
    if not message.startswith(_ERROR_MESSAGE):  # the fields come in order, the error first
        return message
    try:
        answer = service_pb2.ModelStreamInferResponse.FromString(message)
    except DecodeError as error:
        raise ControlPlaneError(
            ErrorCode.BACKEND_FAULT, f"the instance's answer cannot be read: {error!r}"
        ) from error
    answer.error_message = reword(answer.error_message)
    return bytes(answer.SerializeToString())


def is_infer_request(message: bytes) -> bool:
    """Whether the bytes parse as a ModelInferRequest, tensors and all. Not for the hot path."""
    try:
        service_pb2.ModelInferRequest.FromString(message)
    except DecodeError:
        return False
    return True


def _write_tensor(array: Array) -> bytes:
    if array.dtype != np.object_:
        return array.tobytes()
    return b"".join(struct.pack("<I", len(text)) + text for text in array.flat)


def _read_tensor(datatype: str, shape: list[int], raw: bytes) -> Array:
    if datatype != BYTES:
        return np.frombuffer(raw, dtype=DTYPES[datatype]).reshape(shape)
    strings, position = [], 0
    while position < len(raw):
        (size,) = struct.unpack_from("<I", raw, position)
        start, position = position + 4, position + 4 + size
        if position > len(raw):
            raise ValueError("a string ends after its tensor")
        strings.append(raw[start:position])
    return np.array(strings, dtype=np.object_).reshape(shape)

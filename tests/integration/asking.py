"""Requests to an engine as KServe clients write them."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2

from control_plane.core.detections import Priority
from control_plane.kserve import write_photo_request

INFER = "/inference.GRPCInferenceService/ModelInfer"
DETECT = "/tidegate.v1.Orchestrator/Detect"

# The outputs of each engine, without the batch dimension. None: any number of dimensions' size.
OUTPUTS = {
    "damage": {"BOXES": (100, 4), "SCORES": (100,), "CLASSES": (100,), "COUNT": (1,)},
    "materials": {
        "BOXES": (100, 4),
        "SCORES": (100,),
        "CLASSES": (100,),
        "BRANDS": (100,),
        "COUNT": (1,),
    },
    "volume": {"VOLUME_M3": (1,), "CONFIDENCE": (1,)},
}


def image_input(photo: bytes) -> list[triton.InferInput]:
    """The engines' one input, for the official client."""
    tensor = triton.InferInput("IMAGE", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[photo]], dtype=np.object_))
    return [tensor]


def infer_request(
    photo: bytes, engine: str, release: str = "", *, request_id: str = ""
) -> service_pb2.ModelInferRequest:
    message = service_pb2.ModelInferRequest.FromString(
        write_photo_request(photo, request_id=request_id, priority=Priority.NORMAL)
    )
    message.model_name, message.model_version = engine, release
    return message


def call_raw(
    address: str,
    method: str,
    message: bytes,
    *,
    metadata: tuple[tuple[str, str], ...] = (),
    timeout_s: float = 30,
) -> tuple[bytes, dict[str, str]]:
    """A unary call of bytes: the answer and its trailing metadata. Raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(method)
        answer, ended = call.with_call(message, timeout=timeout_s, metadata=metadata)
        return answer, dict(ended.trailing_metadata())


def refusal_of(
    address: str, method: str, message: bytes, **options: Any
) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Status, message and trailing metadata of a call that must be refused."""
    try:
        answer, _ = call_raw(address, method, message, **options)
    except grpc.RpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata())
    raise AssertionError(f"{method} answered {answer[:200]!r}")

"""A small repository and what is built from it, for tests of everything above the core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2
from tritonclient.utils import serialize_byte_tensor

from control_plane.core.balancing import PolicyName, PoolOptions
from control_plane.core.catalogue import Engine, ModelSpec, Release, build_engines
from control_plane.core.requests import Ended
from control_plane.core.routing import RoutingTable, all_to_stable
from control_plane.services.calling import CallTimes
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway, GatewayOptions
from control_plane.services.instance import Instance
from tests.unit.fakes import FakeClock, FakeInstance


def ensemble(name: str, *steps: tuple[str, int]) -> ModelSpec:
    config = {
        "name": name,
        "platform": "ensemble",
        "max_batch_size": 8,
        "ensemble_scheduling": {
            "step": [
                # As protobuf's JSON has it: an int64 is a string.
                {"model_name": component, "model_version": str(version), "input_map": {"X": "x"}}
                for component, version in steps
            ]
        },
    }
    return ModelSpec(name, config, (1,))


def plain(name: str, *versions: int, specific: tuple[int, ...] = ()) -> ModelSpec:
    config: dict[str, Any] = {"name": name, "backend": "onnxruntime"}
    if specific:
        config["version_policy"] = {"specific": {"versions": [str(one) for one in specific]}}
    return ModelSpec(name, config, versions)


def by_name(*models: ModelSpec) -> dict[str, ModelSpec]:
    return {model.name: model for model in models}


SPECS = by_name(
    ensemble("damage", ("preprocess", 1), ("damage_detector", -1)),
    ensemble("materials", ("preprocess", 1), ("materials_detector", -1)),
    plain("preprocess", 1),
    plain("damage_detector", 1, 2),
    plain("materials_detector", 1),
    plain("volume", 3, 4),
)
DECLARED = {
    "damage": {
        "stable": "1.0.0",
        "releases": {"1.0.0": {"damage_detector": 1}, "1.1.0": {"damage_detector": 2}},
    },
    "materials": {"stable": "1.0.0", "releases": {"1.0.0": None}},
}
ENGINES: dict[str, Engine] = build_engines(SPECS, DECLARED)
TABLE: RoutingTable = all_to_stable(ENGINES.values(), revision=1)
FOLDERS = {name: set(spec.versions) for name, spec in SPECS.items()}

DAMAGE: Release = ENGINES["damage"].releases["1.0.0"]
DAMAGE_NEXT: Release = ENGINES["damage"].releases["1.1.0"]
MATERIALS: Release = ENGINES["materials"].releases["1.0.0"]
VOLUME: Release = ENGINES["volume"].releases["4.0.0"]

LOADED = {
    "preprocess": frozenset({1}),
    "damage_detector": frozenset({1}),
    "materials_detector": frozenset({1}),
    "volume": frozenset({4}),
}
STABLE = frozenset({("damage", "1.0.0"), ("materials", "1.0.0"), ("volume", "4.0.0")})


def make_fleet(
    *tritons: FakeInstance,
    serving: frozenset[tuple[str, str]] = STABLE,
    policy: PolicyName = PolicyName.ROUND_ROBIN,
    probed: Collection[str] = (),
    clock: FakeClock | None = None,
) -> Fleet:
    """A fleet of these Tritons, named ``triton-0`` and so on, all seen to serve ``serving``."""
    fleet = Fleet(
        (
            Instance(f"triton-{number}", f"host:{8001 + number}", triton)
            for number, triton in enumerate(tritons)
        ),
        options=PoolOptions(policy=policy),
        clock=clock or FakeClock(),
        rng=Random(7),
        probed=probed,
    )
    for instance in fleet.instances:
        fleet.publish(
            instance.name,
            serving=serving,
            components=LOADED,
            is_live=True,
            reason="",
            now_s=1000.0,
        )
    return fleet


def make_gateway(
    fleet: Fleet,
    clock: FakeClock | None = None,
    *,
    table: Callable[[], RoutingTable] = lambda: TABLE,
    options: GatewayOptions | None = None,
    ended: Callable[[Ended], None] | None = None,
) -> Gateway:
    """A gateway over the fleet; 5 s for an engine, 2 s for volume, 2 s for a try, if it may."""
    return Gateway(
        fleet=fleet,
        table=table,
        options=options or GatewayOptions(CallTimes(5.0, 2.0, {"volume": 2.0})),
        clock=clock or FakeClock(),
        rng=Random(7),
        ended=ended,
    )


Tensors = Mapping[str, npt.NDArray[Any]]

DETECTED: Tensors = {
    "BOXES": np.array([[1, 2, 3, 4], [5.04, 6.06, 7, 8], [0, 0, 0, 0]], np.float32),
    "SCORES": np.array([0.91234567, 0.5, 0], np.float32),
    "CLASSES": np.array([b"wind", b"hail", b""], np.object_),
    "BRANDS": np.array([b"Owens", b"", b""], np.object_),
    "COUNT": np.array([2], np.int32),
}
MEASURED: Tensors = {
    "VOLUME_M3": np.array([12.34567], np.float32),
    "CONFIDENCE": np.array([0.87654321], np.float32),
}
_DATATYPES = {"f": "FP32", "i": "INT32", "O": "BYTES"}


def write_tensors(tensors: Tensors, **names: str) -> service_pb2.ModelInferResponse:
    """An instance's answer to one photo: each tensor with a batch dimension of one."""
    answer = service_pb2.ModelInferResponse(**names)
    for name, values in tensors.items():
        answer.outputs.add(
            name=name, datatype=_DATATYPES[values.dtype.kind], shape=[1, *values.shape]
        )
        is_text = values.dtype.kind == "O"
        raw = serialize_byte_tensor(values).item() if is_text else values.tobytes()
        answer.raw_output_contents.append(raw)
    return answer


def look_at_photo(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    """What a healthy Triton with the three engines answers."""
    tensors = MEASURED if request.model_name == "volume" else DETECTED
    return write_tensors(
        tensors, model_name=request.model_name, model_version=request.model_version, id=request.id
    )


def infer_request(
    engine: str, version: str = "", *, request_id: str = "", values: bytes = b"\x01\x00\x00\x00"
) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=engine, model_version=version, id=request_id)
    request.inputs.add(name="X", datatype="INT32", shape=[1])
    request.raw_input_contents.append(values)
    return bytes(request.SerializeToString())

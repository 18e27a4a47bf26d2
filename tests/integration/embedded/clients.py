"""What the tests ask of a Triton, in the fewest words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format, text_format
from PIL import Image
from tritonclient.grpc import (
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
    model_config_pb2,
)

Array = np.ndarray[Any, Any]


def jpeg(width: int = 1280, height: int = 960, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def image_input(*photos: bytes) -> InferInput:
    tensor = InferInput("IMAGE", [len(photos), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[photo] for photo in photos], dtype=np.object_))
    return tensor


def infer(
    client: InferenceServerClient,
    model: str,
    *photos: bytes,
    outputs: tuple[str, ...] = (),
    **options: Any,
) -> dict[str, Array]:
    wanted = [InferRequestedOutput(name) for name in outputs] or None
    answer = client.infer(model, [image_input(*photos)], outputs=wanted, **options)
    return {each.name: answer.as_numpy(each.name) for each in answer.get_response().outputs}


def load_twin(
    client: InferenceServerClient, repository: Path, engine: str, twin: str, version: int = 1
) -> None:
    """Loads the engine's components and its ensemble under another name, every version pinned."""
    config = text_format.Parse(
        (repository / engine / "config.pbtxt").read_text(), model_config_pb2.ModelConfig()
    )
    config.name = twin
    for step in config.ensemble_scheduling.step:
        step.model_version = version if step.model_version == -1 else step.model_version
        if not client.is_model_ready(step.model_name, str(step.model_version)):
            client.load_model(step.model_name)
    spelled = json_format.MessageToJson(config, preserving_proto_field_name=True)
    client.load_model(twin, config=spelled, files={"file:1/.keep": b""})


def counts(client: InferenceServerClient, model: str) -> tuple[int, int]:
    """Inferences and executions of a model so far."""
    (statistics,) = client.get_inference_statistics(model).model_stats
    return statistics.inference_count, statistics.execution_count

"""The floating component of ``steady``: one source, and each version behaves in its own way.

1 and 2 are as good as each other. 3 raises on one input in twenty, 4 takes three times as long,
5 is less sure of everything, 6 cannot be loaded, 7 answers what was not agreed. What an input
meets depends on its bytes only, so every release meets the same; what was not made for a load,
such as the golden input, meets the middle of everything and never an error.

Each execution is written down in ``steady.journal`` at the root of the repository: the time, the
version, the server, this process, the input. So a test has a witness of its own of what reached
which release.
"""

import hashlib
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

FAILING, SLOW, UNSURE, UNLOADABLE, LYING = 3, 4, 5, 6, 7
FAILS_BELOW = 0.05
SPREAD = 0.35
SHIFT = -0.2


class TritonPythonModel:
    def initialize(self, args):
        self.version = int(args["model_version"])
        if self.version == UNLOADABLE:
            raise RuntimeError("this version cannot be loaded on purpose")
        config = json.loads(args["model_config"])
        self.service_s = float(config["parameters"]["service_s"]["string_value"])
        journal = Path(args["model_repository"]).parent / "steady.journal"
        self.journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        photo = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy().flat[0]
        self.write_down(photo)
        unlucky, normal, sure = fate(photo)
        # Lognormal: so that what is slower than the slowest twentieth is so by its input, and
        # not by what else the machine does.
        service_s = self.service_s * math.exp(SPREAD * normal)
        time.sleep(service_s * (3 if self.version == SLOW else 1))
        if self.version == FAILING and unlucky < FAILS_BELOW:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("raised on purpose"))
        confidence = 0.65 + 0.2 * sure + (SHIFT if self.version == UNSURE else 0)
        answered = -1 if self.version == LYING else self.version
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("RAW_VERSION", np.array([[answered]], np.int32)),
                pb_utils.Tensor("RAW_CONFIDENCE", np.array([[confidence]], np.float32)),
            ]
        )

    def write_down(self, photo):
        name = photo.decode("ascii") if is_of_load(photo) else "golden"
        line = f"{time.time():.6f} {self.version} {os.getppid()} {os.getpid()} {name}\n"
        os.write(self.journal, line.encode())


def is_of_load(photo):
    return photo.startswith(b"photo-")


def fate(photo):
    """What an input meets: its luck, its share of the spread, how sure one can be of it."""
    if not is_of_load(photo):
        return 1.0, 0.0, 0.5
    digest = hashlib.blake2b(photo, digest_size=32).digest()
    unlucky, first, second, sure = (
        int.from_bytes(digest[i : i + 8], "big") / 2**64 for i in range(0, 32, 8)
    )
    return unlucky, math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second), sure

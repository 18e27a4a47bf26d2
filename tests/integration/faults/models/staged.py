"""A model of a known service time, which can be told to be slow, to fail, or to be dead.

It asks ``ENGINE.orders.json`` at the root of the repository before each request:
``{"servers": [pid, ...], "does": "slow" | "fail" | "die", "times": 20}``. servers are the
process ids of the Tritons that are meant; another one, and one without orders, does its work.
``die`` also keeps the model from being loaded again.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.service_s = float(config["parameters"]["service_s"]["string_value"])
        folder = Path(args["model_repository"])
        self.orders = folder.parent / f"{folder.name}.orders.json"
        if self.ordered().get("does") == "die":
            raise RuntimeError("dead by order")

    def ordered(self):
        try:
            orders = json.loads(self.orders.read_text())
        except FileNotFoundError:
            return {}
        return orders if os.getppid() in orders["servers"] else {}

    def execute(self, requests):
        return [self.answer() for _ in requests]

    def answer(self):
        orders = self.ordered()
        if orders.get("does") == "die":
            os._exit(1)
        if orders.get("does") == "fail":
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("failing by order"))
        time.sleep(self.service_s * orders.get("times", 1))
        served = pb_utils.Tensor("SERVICE_S", np.array([[self.service_s]], np.float32))
        return pb_utils.InferenceResponse([served])

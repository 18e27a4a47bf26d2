"""The pinned component of ``steady``: hands on what the scorer found, as every twin's last step."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        version = pb_utils.get_input_tensor_by_name(request, "RAW_VERSION").as_numpy()
        confidence = pb_utils.get_input_tensor_by_name(request, "RAW_CONFIDENCE").as_numpy()
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("VERSION", version), pb_utils.Tensor("CONFIDENCE", confidence)]
        )

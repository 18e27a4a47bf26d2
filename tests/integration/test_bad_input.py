"""Every bad input: a typed error that names the field and the limit, and nothing else is hurt.

After each one a good request over the same protocol must be answered at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration import photos
from tests.integration.asking import DETECT, INFER, call_raw, infer_request, refusal_of
from tests.integration.bad_inputs import (
    GRPC_STATUS,
    HTTP_STATUS,
    PHOTO_FAULTS,
    REQUEST_FAULTS,
    URL_FAULTS,
    PhotoFault,
    RequestFault,
    UrlFault,
    complete_request,
)
from tests.integration.conftest import MAX_MESSAGE_BYTES
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate, command_line, lines_of

pytestmark = pytest.mark.triton

HTTP_DETECT = "/api/v1/orchestrator/detect"
# Well-formed at the top: field 5 (inputs) holds bytes that are no tensor.
NESTED_GARBAGE = service_pb2.ModelInferRequest(model_name="damage").SerializeToString() + (
    b"\x2a\x04\xff\xff\xff\xff"
)
# The same one level deeper, where only a parser of every tensor finds it: inputs.parameters.
DEEP_GARBAGE = service_pb2.ModelInferRequest(model_name="damage").SerializeToString() + (
    b"\x2a\x06\x22\x04\xff\xff\xff\xff"
)


@pytest.fixture
def still_serves_rest(tidegate: RunningTidegate) -> Callable[[], None]:
    def ask() -> None:
        good = tidegate.detect(small_photo(), detection_types="damage")
        assert good.status_code == 200
        assert good.json()["status"] == "completed"

    return ask


@pytest.fixture
def still_serves_grpc(tidegate: RunningTidegate) -> Callable[[], None]:
    def ask() -> None:
        good = pb.DetectRequest(photo=small_photo(), detection_types=["damage"])
        answer, _ = call_raw(tidegate.grpc, DETECT, good.SerializeToString())
        assert pb.Detection.FromString(answer).status == pb.DETECTION_STATUS_COMPLETED

    return ask


@pytest.fixture(scope="module")
def roots(photo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The allowed root and a folder beside it, with the ways out prepared."""
    outside = photo_root.parent / f"{photo_root.name}-beside"
    outside.mkdir()
    (photo_root / "folder").mkdir()
    for good in (outside / "secret.jpg", photo_root / "good.jpg"):
        good.write_bytes(small_photo())
    (photo_root / "link.jpg").symlink_to(outside / "secret.jpg")
    (photo_root / "out").symlink_to(outside)
    return photo_root, outside


class TestPhotos:
    @pytest.mark.parametrize("fault", PHOTO_FAULTS, ids=lambda fault: fault.name)
    def test_multipart(
        self, tidegate: RunningTidegate, still_serves_rest: Callable[[], None], fault: PhotoFault
    ) -> None:
        response = tidegate.detect(fault.photo(), detection_types="damage,volume")
        _check_problem(response, fault.code, "photo", fault.words)
        still_serves_rest()

    @pytest.mark.parametrize("fault", PHOTO_FAULTS, ids=lambda fault: fault.name)
    def test_file_url(
        self,
        tidegate: RunningTidegate,
        photo_root: Path,
        still_serves_rest: Callable[[], None],
        fault: PhotoFault,
    ) -> None:
        path = photo_root / "bad.jpg"
        path.write_bytes(fault.photo())
        body = complete_request() | {"photo_url": path.as_uri()}
        response = httpx.post(tidegate.url + HTTP_DETECT, json=body, timeout=60)
        _check_problem(response, fault.code, None, fault.words)
        assert response.json()["field"] in ("photo", "photo_url")
        still_serves_rest()

    @pytest.mark.parametrize("fault", PHOTO_FAULTS, ids=lambda fault: fault.name)
    def test_grpc(
        self, tidegate: RunningTidegate, still_serves_grpc: Callable[[], None], fault: PhotoFault
    ) -> None:
        request = pb.DetectRequest(photo=fault.photo(), detection_types=["damage", "volume"])
        refused = refusal_of(tidegate.grpc, DETECT, request.SerializeToString())
        _check_status(refused, fault.code, "photo", fault.words)
        still_serves_grpc()

    @pytest.mark.parametrize(
        "name",
        [
            "no image",
            "head only",
            "truncated",
            "decompression bomb",
            "a JPEG of many scans",
            "a large PNG of 16 bits",
            "above the pixel limit of a PNG",
            "zero size",
        ],
    )
    def test_kserve(
        self, tidegate: RunningTidegate, still_serves_grpc: Callable[[], None], name: str
    ) -> None:
        """A Triton client's tensors are not looked at on the way: the engine itself refuses."""
        fault = next(fault for fault in PHOTO_FAULTS if fault.name == name)
        message = infer_request(fault.photo(), "damage").SerializeToString()
        status, words, metadata = refusal_of(tidegate.grpc, INFER, message)
        assert status is grpc.StatusCode.INVALID_ARGUMENT
        assert metadata["x-tidegate-code"] == "invalid_argument"
        assert "IMAGE" in words
        still_serves_grpc()

    @pytest.mark.parametrize("fault", PHOTO_FAULTS, ids=lambda fault: fault.name)
    def test_command_line(
        self, tidegate: RunningTidegate, tmp_path: Path, fault: PhotoFault
    ) -> None:
        bad, good = tmp_path / "bad.jpg", tmp_path / "good.jpg"
        bad.write_bytes(fault.photo())
        good.write_bytes(small_photo())
        done = command_line(
            "detect", str(bad), str(good), "--types", "damage", "--json", url=tidegate.url
        )
        assert done.returncode == 1
        refused, answered = lines_of(done.stdout)
        assert refused["error"]["code"] == fault.code
        assert refused["error"]["field"] == "photo"
        assert all(word in refused["error"]["message"] for word in fault.words)
        assert answered["status"] == "completed"
        (complaint,) = done.stderr.splitlines()
        assert complaint.startswith(f"tidegate: {bad}: ")
        assert refused["error"]["message"] in complaint


class TestRequests:
    @pytest.mark.parametrize("fault", REQUEST_FAULTS, ids=lambda fault: fault.name)
    def test_json(
        self,
        tidegate: RunningTidegate,
        roots: tuple[Path, Path],
        still_serves_rest: Callable[[], None],
        fault: RequestFault,
    ) -> None:
        body = complete_request() | {"photo_url": (roots[0] / "good.jpg").as_uri()} | fault.rest
        response = httpx.post(tidegate.url + HTTP_DETECT, json=body, timeout=60)
        _check_problem(response, fault.code, fault.field, fault.words)
        still_serves_rest()

    @pytest.mark.parametrize(
        "fault", [fault for fault in REQUEST_FAULTS if fault.typed], ids=lambda fault: fault.name
    )
    def test_grpc(
        self, tidegate: RunningTidegate, still_serves_grpc: Callable[[], None], fault: RequestFault
    ) -> None:
        request = pb.DetectRequest(photo=small_photo(), **(fault.typed or {}))
        refused = refusal_of(tidegate.grpc, DETECT, request.SerializeToString())
        _check_status(refused, fault.code, fault.field, fault.words)
        still_serves_grpc()

    @pytest.mark.parametrize(
        ("fields", "code", "field"),
        [
            ({"detection_types": "damage,roofing"}, "invalid_argument", "detection_types[1]"),
            ({"detection_types": ""}, "invalid_argument", "detection_types"),
            ({"priority": "urgent"}, "invalid_argument", "priority"),
            ({"photo_id": "17"}, "invalid_argument", "photo_id"),
            ({"metadata.user_id": "me"}, "invalid_argument", "metadata.user_id"),
            ({"metadata": "not json"}, "invalid_argument", "metadata"),
            ({"release": "damage=9.9.9"}, "unknown_release", "model_version"),
        ],
        ids=str,
    )
    def test_multipart(
        self,
        tidegate: RunningTidegate,
        still_serves_rest: Callable[[], None],
        fields: dict[str, str],
        code: str,
        field: str,
    ) -> None:
        _check_problem(tidegate.detect(small_photo(), **fields), code, field, ())
        still_serves_rest()

    @pytest.mark.parametrize(
        ("arguments", "status", "word"),
        [
            (("--types", "roofing"), 1, "roofing"),
            (("--types", "damage", "--release", "damage=9.9.9"), 1, "9.9.9"),
            (("--types", ","), 2, "--types"),
            (("--priority", "urgent"), 2, "urgent"),
        ],
        ids=str,
    )
    def test_command_line(
        self,
        tidegate: RunningTidegate,
        roots: tuple[Path, Path],
        arguments: tuple[str, ...],
        status: int,
        word: str,
    ) -> None:
        photo = str(roots[0] / "good.jpg")
        done = command_line("detect", photo, *arguments, url=tidegate.url)
        assert done.returncode == status
        assert word in done.stderr
        assert "Traceback" not in done.stderr


class TestPhotoUrls:
    @pytest.mark.parametrize("fault", URL_FAULTS, ids=lambda fault: fault.name)
    def test_rest(
        self,
        tidegate: RunningTidegate,
        roots: tuple[Path, Path],
        still_serves_rest: Callable[[], None],
        fault: UrlFault,
    ) -> None:
        body = complete_request() | {"photo_url": fault.url(*roots)}
        response = httpx.post(tidegate.url + HTTP_DETECT, json=body, timeout=60)
        _check_problem(response, fault.code, "photo_url", fault.words)
        still_serves_rest()

    @pytest.mark.parametrize("fault", URL_FAULTS, ids=lambda fault: fault.name)
    def test_grpc(
        self,
        tidegate: RunningTidegate,
        roots: tuple[Path, Path],
        still_serves_grpc: Callable[[], None],
        fault: UrlFault,
    ) -> None:
        request = pb.DetectRequest(photo_url=fault.url(*roots), detection_types=["damage"])
        refused = refusal_of(tidegate.grpc, DETECT, request.SerializeToString())
        _check_status(refused, fault.code, "photo_url", fault.words)
        still_serves_grpc()

    def test_a_way_out_does_not_tell_what_is_there(
        self, tidegate: RunningTidegate, roots: tuple[Path, Path]
    ) -> None:
        told = set()
        for name in ("secret.jpg", "nothing.jpg"):
            body = complete_request() | {"photo_url": (roots[1] / name).as_uri()}
            told.add(httpx.post(tidegate.url + HTTP_DETECT, json=body).json()["detail"])
        assert len(told) == 1


class TestMessages:
    @pytest.mark.parametrize("method", [INFER, DETECT], ids=["ModelInfer", "Detect"])
    @pytest.mark.parametrize(
        "garbage", [b"\xff\xff\xff\xff", b"\x0a\x7fdamage", b"\x03", b"\x00", b"\x12\x80"], ids=repr
    )
    def test_garbage(
        self,
        tidegate: RunningTidegate,
        still_serves_grpc: Callable[[], None],
        method: str,
        garbage: bytes,
    ) -> None:
        refused = refusal_of(tidegate.grpc, method, garbage)
        _check_status(refused, "invalid_argument", "message", ("malformed protobuf",))
        still_serves_grpc()

    @pytest.mark.parametrize("garbage", [NESTED_GARBAGE, DEEP_GARBAGE], ids=["tensor", "parameter"])
    def test_garbage_inside_a_sound_message(
        self, tidegate: RunningTidegate, still_serves_grpc: Callable[[], None], garbage: bytes
    ) -> None:
        """The gateway steps over tensors, so it is Triton that fails; the blame is the caller's."""
        direct, _, _ = refusal_of(tidegate.triton_urls["triton-0"], INFER, garbage)
        assert direct is not grpc.StatusCode.INVALID_ARGUMENT, "then the gateway need not look"
        refused = refusal_of(tidegate.grpc, INFER, garbage)
        _check_status(refused, "invalid_argument", "message", ("malformed protobuf",))
        still_serves_grpc()

    @pytest.mark.parametrize("method", ["ModelReady", "ModelMetadata", "RepositoryIndex"])
    def test_garbage_to_a_read(
        self, tidegate: RunningTidegate, still_serves_grpc: Callable[[], None], method: str
    ) -> None:
        refused = refusal_of(tidegate.grpc, f"/inference.GRPCInferenceService/{method}", b"\xff")
        _check_status(refused, "invalid_argument", "message", ("malformed protobuf",))
        still_serves_grpc()

    @pytest.mark.parametrize("method", [INFER, DETECT], ids=["ModelInfer", "Detect"])
    def test_a_message_above_the_size_bound(
        self, tidegate: RunningTidegate, still_serves_grpc: Callable[[], None], method: str
    ) -> None:
        """gRPC itself refuses it, by its announced length, before it is read."""
        status, words, _ = refusal_of(tidegate.grpc, method, b"\0" * (MAX_MESSAGE_BYTES + 1))
        assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert str(MAX_MESSAGE_BYTES) in words
        still_serves_grpc()

    def test_a_json_body_above_the_size_bound(
        self, tidegate: RunningTidegate, still_serves_rest: Callable[[], None]
    ) -> None:
        body = complete_request() | {"photo_url": "file:///" + "x" * 70_000}
        response = httpx.post(tidegate.url + HTTP_DETECT, json=body, timeout=60)
        _check_problem(response, "message_too_large", "body", ("65536",))
        still_serves_rest()


class TestDeadlines:
    @pytest.mark.parametrize("seconds", ["0", "-1", "0.0000001"])
    def test_rest(
        self, tidegate: RunningTidegate, still_serves_rest: Callable[[], None], seconds: str
    ) -> None:
        response = tidegate.detect(
            small_photo(), detection_types="damage", **{"x-request-timeout-s": seconds}
        )
        _check_problem(response, "deadline_exceeded", None, ())
        still_serves_rest()

    @pytest.mark.parametrize(("seconds", "word"), [("soon", "soon"), ("1000", "60")])
    def test_rest_with_a_deadline_that_is_none(
        self,
        tidegate: RunningTidegate,
        still_serves_rest: Callable[[], None],
        seconds: str,
        word: str,
    ) -> None:
        response = tidegate.detect(small_photo(), **{"x-request-timeout-s": seconds})
        _check_problem(response, "invalid_argument", "X-Request-Timeout-S", (word,))
        still_serves_rest()

    @pytest.mark.parametrize("method", [INFER, DETECT], ids=["ModelInfer", "Detect"])
    @pytest.mark.parametrize("timeout_s", [-1.0, 0.0, 0.001])
    def test_grpc(
        self,
        tidegate: RunningTidegate,
        still_serves_grpc: Callable[[], None],
        method: str,
        timeout_s: float,
    ) -> None:
        message: Any = infer_request(photos.photo_of("damage"), "damage")
        if method == DETECT:
            message = pb.DetectRequest(photo=photos.photo_of("damage"))
        status, _, _ = refusal_of(
            tidegate.grpc, method, message.SerializeToString(), timeout_s=timeout_s
        )
        assert status is grpc.StatusCode.DEADLINE_EXCEEDED
        still_serves_grpc()
        tidegate.wait_idle()

    def test_command_line(self, tidegate: RunningTidegate, tmp_path: Path) -> None:
        photo = tmp_path / "roof.jpg"
        photo.write_bytes(photos.photo_of("damage"))
        done = command_line("detect", str(photo), "--timeout", "0.001", url=tidegate.url)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert str(photo) in done.stderr


def _check_problem(
    response: httpx.Response, code: str, field: str | None, words: tuple[str, ...]
) -> None:
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert (problem["code"], response.status_code) == (code, HTTP_STATUS[code]), problem
    assert problem["status"] == response.status_code
    assert problem["correlation_id"] == response.headers["x-correlation-id"]
    if field is not None:
        assert problem["field"] == field
    for word in words:
        assert word in problem["detail"]


def _check_status(
    refused: tuple[grpc.StatusCode, str, dict[str, str]],
    code: str,
    field: str,
    words: tuple[str, ...],
) -> None:
    status, message, metadata = refused
    assert (metadata["x-tidegate-code"], status) == (code, GRPC_STATUS[code]), message
    assert metadata["x-tidegate-field"] == field
    assert metadata["x-correlation-id"]
    for word in words:
        assert word in message

"""``golden``: what an engine answers today becomes what it must answer from now on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.failure import UNREACHABLE, Refused
from cli.options import AsJson
from cli.printing import print_json

DEFAULT_GRPC = "127.0.0.1:9001"

Engine = Annotated[
    str,
    typer.Argument(metavar="ENGINE", show_default=False, help="As `tidegate engines` names it."),
]
Input = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT",
        exists=True,
        dir_okay=False,
        readable=True,
        show_default=False,
        help='A photo, or a KServe v2 JSON file with {"inputs": [...]} for another engine.',
    ),
]
Release = Annotated[
    str, typer.Option("--release", metavar="R", help="The release to ask; it must be served.")
]
Repository = Annotated[
    Path,
    typer.Option(
        "--model-repository",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Where the files go.",
    ),
]
Address = Annotated[
    str, typer.Option("--grpc", metavar="HOST:PORT", help="gRPC address of the control plane.")
]


def golden(
    engine: Engine,
    golden_input: Input,
    release: Release = "stable",
    model_repository: Repository = Path("model_repository"),
    address: Address = DEFAULT_GRPC,
    as_json: AsJson = False,
) -> None:
    """Record an engine's golden input and answer.

    Every Triton must give this answer, within a tolerance, before the engine takes requests
    there, and every few seconds after. Look at the answer before you keep it. The control plane
    reads a new answer within seconds, and another input when it starts.
    """
    from control_plane.adapters.golden_files import PHOTO_KINDS, answer_file, input_file
    from control_plane.core.tensors import tensors_to_json
    from control_plane.kserve import read_outputs

    suffix = golden_input.suffix.lower()
    if suffix not in (*PHOTO_KINDS, ".json"):
        raise Refused(
            f"{golden_input} is neither a photo ({', '.join(PHOTO_KINDS)}) nor .json",
            field="INPUT",
        )
    answer, served = _ask(address, engine, release, _message(golden_input))
    try:
        outputs = tensors_to_json(read_outputs(answer))
    except ValueError as error:
        raise Refused(f"the answer cannot be written down: {error}") from error
    written = {
        input_file(model_repository, engine, suffix): golden_input.read_bytes(),
        answer_file(model_repository, engine, served): _as_lines(outputs).encode(),
    }
    for path, content in written.items():
        path.write_bytes(content)
    if as_json:
        print_json({"engine": engine, "release": served, "files": list(map(str, written))})
        return
    typer.echo(f"{engine} {served}: {', '.join(output['name'] for output in outputs)}")
    for path in written:
        typer.echo(f"wrote {path}")


def _message(golden_input: Path) -> bytes:
    from control_plane.core.detections import Priority
    from control_plane.core.tensors import tensors_from_json
    from control_plane.kserve import write_photo_request, write_request

    content = golden_input.read_bytes()
    if golden_input.suffix.lower() != ".json":
        return write_photo_request(content, request_id="golden", priority=Priority.NORMAL)
    try:
        tensors = tensors_from_json(json.loads(content)["inputs"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{golden_input} has no KServe v2 inputs: {error}", field="INPUT") from error
    return write_request(tensors, priority=Priority.NORMAL)


def _ask(address: str, engine: str, release: str, message: bytes) -> tuple[bytes, str]:
    """The answer, and the release that gave it."""
    import grpc

    from control_plane.core.wire import target_suffix

    with grpc.insecure_channel(address) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        try:
            answer, call = infer.with_call(message + target_suffix(engine, release), timeout=30)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in error.details():
                raise Refused(
                    f"no control plane answers at {address}",
                    code=UNREACHABLE,
                    hint="start it with: tidegate up",
                ) from None
            raise Refused(error.details(), code=error.code().name.lower()) from None
    return answer, dict(call.trailing_metadata())["x-tidegate-release"]


def _as_lines(outputs: list[dict[str, Any]]) -> str:
    """JSON with a tensor on each line, so that a change of one can be seen."""
    lines = ",\n".join(f"  {json.dumps(output)}" for output in outputs)
    return f'{{"outputs": [\n{lines}\n]}}\n'

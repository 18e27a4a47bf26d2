"""What ``tidegate doctor`` looks at: each check looks, changes nothing and says what mends it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.client import ControlPlane
from cli.failure import UNREACHABLE, Refused

if TYPE_CHECKING:
    from control_plane.settings import HttpSettings, InstanceSettings, LoadedSettings, Settings

HEALTH = "/api/v1/orchestrator/health"
LFS_POINTER = b"version https://git-lfs"
PROBE_TIMEOUT_S = 2.0
TAKEN = "is taken"
# What Triton opens in a version folder when the configuration names no file.
MODEL_FILES = {"onnxruntime": "model.onnx", "onnxruntime_onnx": "model.onnx", "python": "model.py"}


class Level(StrEnum):
    """fail: it cannot work like this. warn: it works, or will not matter to everyone."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. remedy: what mends it, where it is not ok."""

    level: Level
    name: str
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}


def check_settings(loaded: LoadedSettings) -> Iterator[Check]:
    """Settings that are valid in themselves and still may not fit this machine."""
    from control_plane.settings.addresses import is_loopback

    settings = loaded.settings
    given = {origin for origin in loaded.origins.values() if origin != "default"}
    yield Check(Level.OK, "settings", f"valid; set by {', '.join(sorted(given)) or 'defaults'}")
    for root in settings.photos.allowed_roots:
        if not root.is_dir():
            yield Check(
                Level.WARN,
                "photos.allowed_roots",
                f"{root} is no folder ({loaded.origin_of('photos.allowed_roots')})",
                "make it, or take it out of the list",
            )
    http = settings.http
    if not http.allowed_hosts and not is_loopback(http.host):
        yield Check(
            Level.WARN,
            "http.allowed_hosts",
            f"not set, and http.host is {http.host}: a web page that gives this address a name of "
            "its own can act here in the name of who reads it",
            "name the hosts that it is asked by, or * if something in front looks at them",
        )


def check_machine(settings: Settings) -> Iterator[Check]:
    """What embedded Tritons need of this machine; it is `tidegate up` alone that needs it."""
    from control_plane.embedded.options import FleetOptions
    from control_plane.embedded.prerequisites import check

    embedded = settings.embedded
    if embedded.tritons == 0:
        return
    options = FleetOptions(settings.model_repository, embedded.tritons, embedded.base_port)
    is_needed = not settings.instances
    for finding in check(options):
        # The repository and the ports are looked at more closely below.
        if finding.name in {"model repository", "ports"}:
            continue
        bad = Level.FAIL if is_needed else Level.WARN
        level = Level.OK if finding.is_ok else bad
        yield Check(level, finding.name, finding.detail, finding.remedy)


def check_ports(settings: Settings, *, is_running: bool) -> Iterator[Check]:
    """Every port is free, or taken by the Tidegate that runs here already."""
    from control_plane.embedded.options import ADDRESS, FleetOptions

    wanted = [
        ("http.port", settings.http.host, settings.http.port, "--http-port"),
        ("grpc.port", settings.grpc.host, settings.grpc.port, "--grpc-port"),
    ]
    embedded = settings.embedded
    options = FleetOptions(settings.model_repository, embedded.tritons, embedded.base_port)
    for index in range(0 if settings.instances else embedded.tritons):
        ports = options.ports(index)
        for purpose, port in (
            ("HTTP", ports.http),
            ("gRPC", ports.grpc),
            ("metrics", ports.metrics),
        ):
            name = f"{purpose} of triton-{index}"
            wanted.append((name, ADDRESS, port, "--triton-base-port"))
    in_use, free = 0, 0
    for name, host, port, flag in wanted:
        trouble = trouble_with_port(host, port)
        if trouble is None:
            free += 1
        elif is_running and trouble == TAKEN:
            in_use += 1
        else:
            detail = f"port {port} ({name}) on {host} {trouble}"
            remedy = f"stop what uses it, or choose another: {flag}"
            yield Check(Level.FAIL, "ports", detail, remedy)
    if in_use:
        yield Check(Level.OK, "ports", f"{in_use} in use by the Tidegate that runs here")
    elif free == len(wanted):
        yield Check(Level.OK, "ports", f"all {free} are free")


def trouble_with_port(host: str, port: int) -> str | None:
    """Why nothing could listen there, or None."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return "cannot be had: the host is not known"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return TAKEN
        return f"cannot be had: {(error.strerror or str(error)).lower()}"
    return None


def check_model_repository(folder: Path) -> Iterator[Check]:
    """Every configuration can be read, every version has its file, every pin its version."""
    from control_plane.adapters.model_repository import ModelRepository
    from control_plane.errors import ControlPlaneError

    name = "model_repository"
    try:
        repository = ModelRepository.read(folder)
    except (ControlPlaneError, OSError) as error:
        why = error.message if isinstance(error, ControlPlaneError) else str(error)
        yield Check(Level.FAIL, name, why, "mend it, or name another with --model-repository")
        return
    is_whole = True
    for model, spec in repository.specs.items():
        if not spec.versions:
            is_whole = False
            detail = f"{folder / model} has no version folder"
            yield Check(Level.FAIL, name, detail, "put the model into a folder 1/")
        for version in spec.versions:
            for check in _check_version(folder / model / str(version), spec.config):
                is_whole = False
                yield check
    if is_whole:
        # What serves is in the state store: these count at the first start alone.
        engines = ", ".join(
            f"{engine} {found.stable}" for engine, found in sorted(repository.engines.items())
        )
        models = f"{len(repository.specs)} models"
        detail = f"{folder}: {models}; declares as stable, for the first start: {engines}"
        yield Check(Level.OK, name, detail)


def _check_version(folder: Path, config: Mapping[str, Any]) -> Iterator[Check]:
    backend = str(config.get("backend") or config.get("platform") or "")
    named = str(config.get("default_model_filename") or MODEL_FILES.get(backend, ""))
    if not named:
        return
    path = folder / named
    try:
        with path.open("rb") as file:
            head = file.read(len(LFS_POINTER))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        remedy = "python -m engines export" if named.endswith(".onnx") else "restore the file"
        yield Check(Level.FAIL, "model_repository", f"{path}: {why}", remedy)
        return
    if head == LFS_POINTER:
        detail = f"{path} is a Git LFS pointer, not the model"
        yield Check(Level.FAIL, "model_repository", detail, "git lfs install && git lfs pull")
    elif not head:
        yield Check(Level.FAIL, "model_repository", f"{path} is empty", "restore the file")


def check_instances(instances: tuple[InstanceSettings, ...]) -> Iterator[Check]:
    """Whether the remote Tritons of the settings can be reached at all."""
    if not instances:
        return
    with ThreadPoolExecutor(max_workers=16) as pool:
        troubles = list(pool.map(lambda one: _trouble_with_connecting(one.grpc_url), instances))
    for instance, trouble in zip(instances, troubles, strict=True):
        name = f"instance {instance.name}"
        if trouble is None:
            yield Check(Level.OK, name, f"{instance.grpc_url} accepts connections")
        else:
            remedy = "is Triton started there, and its gRPC port open to this machine?"
            yield Check(Level.WARN, name, f"{instance.grpc_url}: {trouble}", remedy)


def _trouble_with_connecting(url: str) -> str | None:
    host, _, port = url.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_TIMEOUT_S):
            return None
    except OSError as error:
        return (error.strerror or str(error)).lower()


def url_of(http: HttpSettings) -> str:
    """Where a control plane with these settings answers on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - a name
    return f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"


def is_answering(control_plane: ControlPlane) -> bool:
    """Whether a Tidegate, well or not, is at that address."""
    try:
        control_plane.get(HEALTH, accept_status=(503,), timeout_s=PROBE_TIMEOUT_S)
    except Refused as refusal:
        return refusal.code in {"unauthenticated", "permission_denied"}
    return True


def _remedy(state: str, reason: str) -> str:
    if state == "loading":
        return "wait, or look at its log"
    if "DEADLINE_EXCEEDED" in reason:
        return "it runs and hangs: look at its log and its machine, or start it anew"
    return "start it"


def check_running(control_plane: ControlPlane) -> Iterator[Check]:
    """Whether a control plane answers, and what is not ready there."""
    name = "control plane"
    try:
        health = control_plane.get(HEALTH, accept_status=(503,), timeout_s=PROBE_TIMEOUT_S)
        fleet = control_plane.get("/api/v1/fleet", timeout_s=PROBE_TIMEOUT_S)
    except Refused as refusal:
        level = Level.WARN if refusal.code == UNREACHABLE else Level.FAIL
        yield Check(level, name, refusal.message, refusal.hint or "look at its log")
        return
    state = str(health.get("status"))
    detail = f"{state} at {control_plane.url}, version {health.get('version')}"
    level = Level.OK if state == "ok" else Level.WARN
    yield Check(level, name, detail, "" if level is Level.OK else "see below")
    instances = fleet.get("instances", [])
    for one in instances:
        if one.get("state") != "ready":
            detail = f"{one.get('state')}: {one.get('reason') or 'no reason given'}"
            remedy = _remedy(str(one.get("state")), str(one.get("reason")))
            yield Check(Level.WARN, f"instance {one.get('name')}", detail, remedy)
    is_loading = any(one.get("state") == "loading" for one in instances)
    for engine, found in health.get("engines", {}).items():
        if not found.get("is_ready"):
            detail = f"release {found.get('stable')} is ready on no instance"
            level = Level.WARN if is_loading else Level.FAIL
            yield Check(level, f"engine {engine}", detail, "tidegate fleet says why")
    yield from _check_standing(health)


def _check_standing(health: Mapping[str, Any]) -> Iterator[Check]:
    """What the control plane says of its place among the others, its store and its catalogue."""
    leader, state = health.get("leader"), health.get("state")
    if leader is None or state is None:
        return  # an older one
    others = len(health.get("other_planes", []))
    if state["is_away"]:
        detail = (
            f"it does not answer the control plane, which goes on by revision {state['revision']}: "
            "requests are served, and no release is moved, loaded or mended"
        )
        yield Check(Level.FAIL, "state store", detail, "bring it back; nothing else is to be done")
    elif not leader["is_leading"] and not others:
        detail = "this control plane does not lead, and it knows of no other one"
        remedy = "after a crash wait leader.lease_s; else look at its log"
        yield Check(Level.WARN, "leader", detail, remedy)
    else:
        words = f"leads, epoch {leader['epoch']}" if leader["is_leading"] else "follows"
        yield Check(Level.OK, "leader", f"this control plane {words}; others beside it: {others}")
    for complaint in health.get("complaints", []):
        yield Check(Level.WARN, "catalogue", str(complaint), "docs/registering.md says what to do")

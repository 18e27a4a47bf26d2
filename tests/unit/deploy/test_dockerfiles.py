"""What the images are built from, as far as it shows without building them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.unit.deploy.dockerfiles import Dockerfile, DockerIgnore

ROOT = Path(__file__).parents[3]
FILES = ("deploy/triton.Dockerfile", "deploy/tidegate.Dockerfile")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = ROOT / "requirements.lock"
# Debian 12, the oldest that python:3.11-slim has been built on lately.
GLIBC = (2, 36)
# Given to a Python model by its backend.
FROM_TRITON = {"triton_python_backend_utils"}


@pytest.fixture(params=FILES)
def dockerfile(request: pytest.FixtureRequest) -> Dockerfile:
    return Dockerfile(ROOT / request.param)


@pytest.fixture
def triton() -> Dockerfile:
    return Dockerfile(ROOT / "deploy/triton.Dockerfile")


@pytest.fixture
def tidegate() -> Dockerfile:
    return Dockerfile(ROOT / "deploy/tidegate.Dockerfile")


@pytest.fixture
def ignore() -> DockerIgnore:
    return DockerIgnore((ROOT / ".dockerignore").read_text())


def test_what_is_copied_exists_and_reaches_the_builder(
    dockerfile: Dockerfile, ignore: DockerIgnore
) -> None:
    for source in dockerfile.sources():
        assert (ROOT / source).exists(), source
        assert not ignore.is_ignored(source), source


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".env",
        "tidegate.yaml",
        "state/tidegate.db",
        "runs/damage/last.pt",
        "model_repository/damage_detector/1/model.onnx",
        "control_plane/__pycache__/bootstrap.cpython-311.pyc",
        "deploy/tidegate.compose.yaml",
    ],
)
def test_nothing_else_reaches_the_builder(ignore: DockerIgnore, path: str) -> None:
    assert ignore.is_ignored(path)


def test_every_image_has_a_tag_of_its_own(dockerfile: Dockerfile) -> None:
    for image in dockerfile.images():
        name, _, tag = image.rpartition(":")
        assert name, image
        assert tag != "latest"
        assert "$" not in image


def test_no_image_runs_as_root(dockerfile: Dockerfile) -> None:
    user, _, group = dockerfile.all("USER")[-1].rest.partition(":")
    # By number: an orchestrator that must see that it is not root cannot look a name up.
    assert int(user) > 0
    assert int(group) > 0


def test_the_triton_image_is_one_that_pillow_is_made_for(triton: Dockerfile) -> None:
    (image,) = triton.images()
    found = re.fullmatch(r"nvcr\.io/nvidia/tritonserver:(\d\d)\.(\d\d)-py3", image)
    assert found
    # From 24.11 on it is Ubuntu 24.04, whose Python is 3.12.
    assert (int(found[1]), int(found[2])) >= (24, 11)


def test_the_triton_image_is_chosen_by_one_argument(triton: Dockerfile) -> None:
    assert list(triton.defaults()) == ["TRITON_TAG"]


def test_the_triton_image_has_the_pillow_of_the_project(triton: Dockerfile) -> None:
    (pillow,) = (each for each in PROJECT["dependencies"] if each.startswith("pillow"))
    (install,) = (each for each in triton.all("RUN") if "pip install" in each.rest)
    assert f'"{pillow}"' in install.rest
    assert "--constraint /tmp/requirements.lock" in install.rest


def test_the_triton_image_has_what_the_models_import(triton: Dockerfile) -> None:
    models = list(ROOT.glob("model_repository/*/*/model.py"))
    assert models
    wanted = {name for model in models for name in imported(model.read_text())}
    checks = re.findall(r'python3 -c "(.+?)"', triton.all("RUN")[-1].rest)
    # The build itself fails where one of these is missing.
    assert wanted - FROM_TRITON <= {name for check in checks for name in imported(check)}


def test_the_python_image_is_one_that_the_project_supports(tidegate: Dockerfile) -> None:
    for image in tidegate.images():
        version = image.removeprefix("python:").removesuffix("-slim")
        assert f"{version}.0" in SpecifierSet(PROJECT["requires-python"])


def test_the_control_planes_image_has_the_packages_of_the_project(tidegate: Dockerfile) -> None:
    install = " ".join(each.rest for each in tidegate.all("RUN"))
    assert "--constraint requirements.lock ." in install
    # `engines` makes the models; the control plane never imports it.
    assert {"control_plane", "cli", PROJECT["readme"], *PROJECT["license-files"]} <= set(
        tidegate.sources()
    )


def test_the_control_plane_needs_no_compiler_and_no_system_package(tidegate: Dockerfile) -> None:
    installs = [each.rest for each in tidegate.all("RUN") if "pip install" in each.rest]
    assert all("--only-binary=:all:" in each for each in installs)
    assert "apt-get" not in " ".join(each.rest for each in tidegate.all("RUN"))
    for found in base_distributions():
        tags = re.findall(r"^Tag: \S+-\S+-(\S+)$", found.read_text("WHEEL") or "", re.MULTILINE)
        assert any(fits(tag) for tag in tags), f"{found.name} has no portable wheel here: {tags}"


def test_the_lock_holds_all_that_the_control_plane_runs_on() -> None:
    locked = dict(
        line.split("==") for line in LOCK.read_text().splitlines() if not line.startswith("#")
    )
    names = {canonicalize_name(name) for name in locked}
    assert {canonicalize_name(found.name) for found in base_distributions()} <= names


def test_the_probe_needs_the_standard_library_alone() -> None:
    names = imported((ROOT / "deploy/probe.py").read_text())
    assert names <= set(sys.stdlib_module_names)


def test_the_probe_fails_where_nothing_listens() -> None:
    command = [sys.executable, "-I", str(ROOT / "deploy/probe.py"), "http://127.0.0.1:9/healthz"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "http://127.0.0.1:9/healthz: " in answer.stdout
    assert not answer.stderr


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports, less the standard library's."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names)


def base_distributions() -> list[Distribution]:
    """What the project runs on without any extra, and what that runs on in its turn."""
    found: dict[str, Distribution] = {}
    wanted = [(Requirement(each), "") for each in PROJECT["dependencies"]]
    seen = set()
    while wanted:
        requirement, extra = wanted.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for own in ("", *requirement.extras):
            if (requirement.name, own) in seen:
                continue
            seen.add((requirement.name, own))
            this = distribution(requirement.name)
            found[canonicalize_name(this.name)] = this
            wanted += [(Requirement(each), own) for each in this.requires or ()]
    return list(found.values())


def fits(tag: str) -> bool:
    """Whether a wheel of this platform tag runs on the slim image."""
    if tag == "any":
        return True
    named = re.match(r"manylinux_(\d+)_(\d+)_", tag)
    if named:
        return (int(named[1]), int(named[2])) <= GLIBC
    return tag.startswith(("manylinux1_", "manylinux2010_", "manylinux2014_"))

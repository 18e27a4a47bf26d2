"""A repository on disk: what is read of it, and every complaint with its file."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from control_plane.adapters.model_repository import ModelRepository
from control_plane.errors import ConfigurationError, ErrorCode

ENSEMBLE = """
platform: "ensemble"
max_batch_size: 8
ensemble_scheduling { step [
  { model_name: "preprocess" model_version: 1 },
  { model_name: "detector" model_version: -1 }
] }
"""
RELEASES = """
engines:
  damage:
    stable: 1.0.0
    releases:
      1.0.0: {detector: 1}
      1.1.0:
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ensemble of two components, with its releases."""
    add(tmp_path, "damage", ENSEMBLE, "1")
    add(tmp_path, "preprocess", 'backend: "python"', "1")
    add(tmp_path, "detector", 'name: "detector" backend: "onnxruntime"', "1", "2", "10")
    (tmp_path / "releases.yaml").write_text(RELEASES)
    return tmp_path


def add(folder: Path, name: str, config: str, *versions: str) -> Path:
    model = folder / name
    model.mkdir()
    (model / "config.pbtxt").write_text(config)
    for version in versions:
        (model / version).mkdir()
    return model


def complaint_of(folder: Path) -> tuple[str, str | None]:
    with pytest.raises(ConfigurationError) as complaint:
        ModelRepository.read(folder)
    assert complaint.value.code is ErrorCode.CONFIGURATION
    return complaint.value.message, complaint.value.field


def test_models_and_engines_are_read(folder: Path) -> None:
    repository = ModelRepository.read(folder)
    assert list(repository.specs) == ["damage", "detector", "preprocess"]
    assert repository.specs["detector"].versions == (1, 2, 10)
    assert repository.specs["detector"].config == {"name": "detector", "backend": "onnxruntime"}
    assert repository.specs["damage"].steps == (("preprocess", 1), ("detector", -1))
    assert repository.specs["damage"].config["max_batch_size"] == 8
    (damage,) = repository.engines.values()
    assert (damage.name, damage.stable, list(damage.releases)) == (
        "damage",
        "1.0.0",
        ["1.0.0", "1.1.0"],
    )
    assert damage.releases["1.0.0"].pins == {"preprocess": 1, "detector": 1}
    assert damage.releases["1.1.0"].pins == {"preprocess": 1, "detector": 10}


def test_a_name_may_be_left_to_the_folder(folder: Path) -> None:
    assert ModelRepository.read(folder).specs["preprocess"].config["name"] == "preprocess"


def test_only_folders_that_are_numbers_are_versions(folder: Path) -> None:
    for name in ("configs", "2b", "٣", "²", "-1"):
        (folder / "detector" / name).mkdir()
    (folder / "detector" / "7").write_text("a file")
    assert ModelRepository.read(folder).specs["detector"].versions == (1, 2, 10)


def test_a_folder_without_a_configuration_is_no_model(folder: Path) -> None:
    (folder / "notes").mkdir()
    assert "notes" not in ModelRepository.read(folder).specs


def test_without_releases_yaml_every_engine_has_one_release(folder: Path) -> None:
    (folder / "releases.yaml").unlink()
    damage = ModelRepository.read(folder).engines["damage"]
    assert (damage.stable, list(damage.releases)) == ("10.0.0", ["10.0.0"])


def test_an_empty_mapping_declares_nothing(folder: Path) -> None:
    (folder / "releases.yaml").write_text("engines: {}")
    assert ModelRepository.read(folder).engines["damage"].stable == "10.0.0"


GOLDEN = "    golden: {atol: 0.25, sure_score: 0.75}\n"


def test_golden_files_are_read_with_what_releases_yaml_says_of_them(folder: Path) -> None:
    assert ModelRepository.read(folder).goldens == {}
    (folder / "damage.golden.png").write_bytes(b"photo")
    (folder / "releases.yaml").write_text(RELEASES + GOLDEN)
    (golden,) = ModelRepository.read(folder).goldens.values()
    assert (golden.photo, golden.tolerance.atol) == (b"photo", 0.25)
    assert golden.tolerance.row_rule is not None
    assert golden.tolerance.row_rule.sure_score == 0.75


def test_a_golden_file_that_is_none_is_named(folder: Path) -> None:
    (folder / "damage.golden.json").write_text("{}")
    assert complaint_of(folder) == (
        f"{folder}/damage.golden.json: no KServe v2 inputs: 'inputs'",
        "damage.golden.json",
    )


@pytest.mark.parametrize("golden", ["", "    golden:\n"])
def test_without_a_word_of_releases_yaml_the_tolerance_is_the_usual_one(
    folder: Path, golden: str
) -> None:
    (folder / "damage.golden.png").write_bytes(b"photo")
    (folder / "releases.yaml").write_text(RELEASES + golden)
    assert ModelRepository.read(folder).goldens["damage"].tolerance.atol == 0.02


def test_a_repository_is_a_folder_with_models(folder: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert complaint_of(missing) == (
        f"model_repository {missing} is not a folder",
        "model_repository",
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert complaint_of(empty) == (
        f"model_repository {empty} holds no model (a folder with a config.pbtxt)",
        "model_repository",
    )


@pytest.mark.parametrize("config", [b"backend: ", b"bakend: 'x'", b"\xff"])
def test_a_configuration_that_cannot_be_read_is_named(folder: Path, config: bytes) -> None:
    (folder / "detector" / "config.pbtxt").write_bytes(config)
    message, field = complaint_of(folder)
    assert message.startswith(f"{folder}/detector/config.pbtxt: ")
    assert field == "detector"


def test_a_name_that_is_not_the_folders_is_named(folder: Path) -> None:
    (folder / "detector" / "config.pbtxt").write_text('name: "other"')
    assert complaint_of(folder) == (
        f"{folder}/detector/config.pbtxt: name is 'other', the folder is 'detector'",
        "detector",
    )


@pytest.mark.parametrize(
    ("releases", "problem", "field"),
    [
        ("", "'engines' is missing or no mapping", "engines"),
        ("[1]", "'engines' is missing or no mapping", "engines"),
        ("engines: [damage]", "'engines' is missing or no mapping", "engines"),
        ("engines: {damage: 1.0.0}", "engines.damage is no mapping", "damage"),
        (
            "engines: {damage: {stable: 1.0.0, versions: {}}}",
            "engines.damage has an unknown key 'versions'",
            "engines.damage",
        ),
        (
            "engines: {damage: {stable: 1.0.0, releases: {1.0.0: {}}, golden: 0.1}}",
            "engines.damage.golden is no mapping",
            "engines.damage",
        ),
        ("engines: {1: {stable: 1.0.0}}", "engine name 1 is no text", "engines"),
        (
            "engines: {damage: {stable: 1.0.0}}",
            "engines.damage.releases is missing or no mapping",
            "engines.damage",
        ),
        (
            "engines: {damage: {stable: 1.0.0, releases: {}}}",
            "engines.damage.releases is missing or no mapping",
            "engines.damage",
        ),
        (
            "engines: {damage: {stable: 1.0.0, releases: [1.0.0]}}",
            "engines.damage.releases is missing or no mapping",
            "engines.damage",
        ),
        (
            "engines: {damage: {stable: 1.0, releases: {1.0: {detector: 1}}}}",
            "engines.damage.releases.1.0: write it as 1.2.0: {component: version}",
            "engines.damage",
        ),
        (
            "engines: {damage: {stable: 1.0.0, releases: {1.0.0: 1}}}",
            "engines.damage.releases.1.0.0: write it as 1.2.0: {component: version}",
            "engines.damage",
        ),
    ],
)
def test_a_declaration_of_another_shape_is_named(
    folder: Path, releases: str, problem: str, field: str
) -> None:
    (folder / "releases.yaml").write_text(releases)
    assert complaint_of(folder) == (f"{folder}/releases.yaml: {problem}", field)


@pytest.mark.parametrize("raw", [b"engines: {", b"engines: \xff", b"a: b: c", b"\x00"])
def test_a_file_that_is_no_yaml_is_named(folder: Path, raw: bytes) -> None:
    (folder / "releases.yaml").write_bytes(raw)
    message, field = complaint_of(folder)
    assert message.startswith(f"{folder}/releases.yaml: ")
    assert field == "releases.yaml"


def test_an_engine_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "releases.yaml").write_text(RELEASES.replace("damage", "roof"))
    assert complaint_of(folder)[1] == "engines.roof"


def test_the_repository_of_this_project_can_be_read() -> None:
    repository = ModelRepository.read(Path(__file__).parents[3] / "model_repository")
    assert {"damage", "materials"} <= set(repository.engines)
    assert set(repository.engines["damage"].releases) == {"1.0.0", "1.1.0"}


@pytest.mark.parametrize(
    ("path", "field"), [("detector/config.pbtxt", "detector"), ("releases.yaml", "releases.yaml")]
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, path: str, field: str) -> None:
    (folder / path).unlink()
    (folder / path).mkdir()  # also for root, who may read everything else
    assert complaint_of(folder) == (f"{folder / path} cannot be read: Is a directory", field)


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [("is_dir", "", "model_repository"), ("iterdir", "damage", "damage")],
)
def test_a_folder_that_cannot_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str, field: str
) -> None:
    def refuse(_path: Path) -> object:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)
    assert complaint_of(folder) == (f"{folder / path} cannot be read: Permission denied", field)

"""From an ONNX file on a person's disk to the release that answers, by files and by MLflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.contract.registry.servers import mlflow_server
from tests.integration.photos import photo_of
from tests.integration.repositories import copy_engines
from tests.integration.running import RunningTidegate, command_line, options_of, wait_until

pytestmark = [
    pytest.mark.triton,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SLOW_MACHINE = {
    "requests.timeout_s": 40,
    "requests.engine_timeout_s": 30,
    "fleet.observe_timeout_s": 5,
}


def start(folder: Path, **settings: object) -> RunningTidegate:
    running = RunningTidegate(
        folder=folder,
        model_repository=folder / "models",
        tritons=1,
        settings=options_of({**SLOW_MACHINE, **settings}),
    )
    running.start()
    return running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy_engines(tmp_path / "models", "damage")
    return tmp_path


@pytest.fixture
def retrained(folder: Path) -> Path:
    """The weights of the shipped version 2 in another file."""
    model = onnx.load(folder / "models" / "damage_detector" / "2" / "model.onnx")
    onnx.helper.set_model_props(model, {"trained": "again"})
    onnx.save(model, folder / "new.onnx")
    return folder / "new.onnx"


def tidegate(running: RunningTidegate, *arguments: str) -> Any:
    done = command_line(*arguments, "--json", url=running.url)
    assert done.returncode == 0, done.stderr + running.last_words()
    return json.loads(done.stdout)


def stable_of(running: RunningTidegate) -> str:
    (engine,) = running.get("/api/v1/engines")["engines"]
    return str(engine["stable"])


def released_by(running: RunningTidegate) -> str:
    answer = running.detect(photo_of("damage"))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model_versions"]["damage"])


def test_a_file_is_registered_promoted_and_still_there_after_a_restart(
    folder: Path, retrained: Path
) -> None:
    running = start(folder)
    try:
        running.wait_ready()
        registered = tidegate(
            *(running, "register", "damage", "1.2.0", "--onnx", str(retrained)),
            *("--who", "ann", "--reason", "better on slate"),
        )
        assert registered["pins"]["damage_detector"] == 3
        assert registered["is_proved"]
        (entry,) = [
            each for each in tidegate(running, "audit")["entries"] if each["action"] == "register"
        ]
        assert (entry["who"], entry["reason"]) == ("ann", "better on slate")
        again = command_line(
            "register", "damage", "1.2.0", "--onnx", str(retrained), url=running.url
        )
        assert (again.returncode, "is there already" in again.stderr) == (1, True), again.stderr
        tidegate(running, "promote", "damage", "1.2.0", "--direct")
        wait_until(lambda: stable_of(running) == "1.2.0", timeout_s=60, what="it is stable")
        assert released_by(running) == "v1.2.0"
    finally:
        running.stop()
    running = start(folder)
    try:
        running.wait_ready()
        assert stable_of(running) == "1.2.0"
        assert released_by(running) == "v1.2.0"
    finally:
        running.stop()


@pytest.fixture
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A server that the test may stop, and what stops it."""
    server = mlflow_server(tmp_path_factory.mktemp("mlflow"))
    url = server.__enter__()
    is_running = [True]

    def stop() -> None:
        if is_running.pop():
            server.__exit__(None, None, None)
            is_running.append(False)

    yield url, stop
    stop()


def test_an_alias_in_mlflow_begins_a_rollout_and_mlflow_may_go_away(
    folder: Path, retrained: Path, mlflow: tuple[str, Any]
) -> None:
    from mlflow import MlflowClient

    url, stop_mlflow = mlflow
    settings = {
        "registry.kind": "mlflow",
        "registry.tracking_uri": url,
        "registry.poll_interval_s": 0.5,
        "registry.timeout_s": 30,
        # Nobody asks anything meanwhile; a person says when it goes on.
        "rollouts.steps_percent": [50],
    }
    client = MlflowClient(tracking_uri=url, registry_uri=url)

    def aliases() -> dict[str, str]:
        return {
            alias: client.get_model_version("damage", str(number)).tags["tidegate.release"]
            for alias, number in client.get_registered_model("damage").aliases.items()
        }

    running = start(folder, **settings)
    try:
        running.wait_ready()
        tidegate(running, "register", "damage", "1.2.0", "--onnx", str(retrained))
        wait_until(lambda: aliases() == {"stable": "1.0.0"}, what="stable is shown")
        (version,) = [
            each
            for each in client.search_model_versions("name='damage'")
            if each.tags["tidegate.release"] == "1.2.0"
        ]
        client.set_registered_model_alias("damage", "candidate", str(version.version))
        wait_until(
            lambda: aliases() == {"stable": "1.0.0", "canary": "1.2.0"},
            what="the candidate is taken up",
        )
        (rollout,) = running.get("/api/v1/rollouts")["rollouts"]
        assert (rollout["target"], rollout["kind"]) == ("1.2.0", "canary")
        tidegate(running, "rollback", "damage")
        wait_until(
            lambda: running.get("/api/v1/rollouts")["rollouts"][0]["state"] == "rolled_back",
            timeout_s=60,
            what="it is rolled back",
        )
        tidegate(running, "promote", "damage", "1.2.0", "--direct")
        wait_until(lambda: aliases() == {"stable": "1.2.0"}, timeout_s=60, what="it is stable")
        stop_mlflow()
        assert released_by(running) == "v1.2.0"
    finally:
        running.stop()
    running = start(folder, **settings)
    try:
        running.wait_ready()
        assert released_by(running) == "v1.2.0", "though nobody can say what it pins but the store"
        refused = command_line(
            "register", "damage", "1.3.0", "--pin", "damage_detector=2", url=running.url
        )
        assert refused.returncode == 1
        assert "the release cannot be written down: MLflow at" in refused.stderr
    finally:
        running.stop()

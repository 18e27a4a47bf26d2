"""Releases in MLflow's model registry, by blocking calls.

    registered model   one per engine, with the tag tidegate.engine; its name is the engine's if
                       Tidegate made it, and anything if a person did
    model version      one per release: tags tidegate.release, tidegate.pins (JSON), and its
                       artifacts, model.onnx and release.json
    aliases            stable and canary are kept true; candidate is what somebody wants

MLflow numbers model versions one after the other, but lets two carry the same release. So who
writes looks again afterwards: the lowest number has it, and the other one takes its own back.
Readers hold the same rule, and need not trust that anybody did.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from threading import Event
from typing import Any

from control_plane.adapters.registry.records import check_fields, conflict, fields_of, release_key
from control_plane.core.catalogue import Release
from control_plane.core.registered import Registered, ReleaseRecord

PREFIX = "tidegate."
ENGINE_TAG = f"{PREFIX}engine"
RELEASE_TAG, PINS_TAG = f"{PREFIX}release", f"{PREFIX}pins"
STABLE, CANARY, CANDIDATE = "stable", "canary", "candidate"
EXPERIMENT = "tidegate"
ARTIFACTS = "model"
PAGE, MOST_PAGES = 1000, 20

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Who asks decides whether to ask again.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""What MLflow reads of the environment; what somebody has set himself stays."""


class Abandoned(Exception):
    """Nobody waits for the answer any more, so nothing more is written."""


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model of an engine. aliases: to version numbers."""

    name: str
    engine: str
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Version:
    """A model version. record: None if its tags are none; complaint says why."""

    number: int
    record: ReleaseRecord | None
    complaint: str = ""


class MlflowModels:
    """What MLflow holds. Raises whatever MLflow raises."""

    def __init__(self, tracking_uri: str, artifacts: str | None, *, timeout_s: float) -> None:
        for name, value in {**QUIET, "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ceil(timeout_s))}.items():
            os.environ.setdefault(name, value)
        # Of MLflow's own mappings, by the SQLAlchemy that they do not know yet.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        from mlflow import MlflowClient

        self._client: Any = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        self._artifacts = artifacts

    def read(self) -> Registered:
        records, complaints = [], []
        models, duplicates = self._models()
        complaints += duplicates
        for model in models.values():
            holders: dict[str, int] = {}
            for version in self._versions(model):
                if version.record is None:
                    complaints.append(f"{version.complaint}; it is left out")
                    continue
                key = release_key(version.record.release)
                holder = holders.setdefault(key, version.number)
                if holder == version.number:
                    records.append(version.record)
                else:
                    complaints.append(
                        f"{version.record.source} is a second one of release "
                        f"{version.record.release}, which version {holder} is; it is left out"
                    )
        return Registered(tuple(records), tuple(complaints))

    def add(self, record: ReleaseRecord, onnx: Path | None, *, is_abandoned: Event) -> None:
        model = self._models()[0].get(record.engine) or self._create_model(record.engine)
        holder = self._holder(model, record.release)
        if holder is not None:
            raise conflict(record, f"version {holder.number} of {model.name!r} in MLflow is it")
        number, run_id = self._create_version(model, record, onnx, is_abandoned)
        holder = self._holder(model, record.release)
        if holder is not None and holder.number != number:
            self._client.delete_model_version(model.name, str(number))
            self._client.delete_run(run_id)
            raise conflict(record, f"version {holder.number} of {model.name!r} came first")

    def candidates(self) -> Mapping[str, str]:
        wanted = {}
        for model in self._models()[0].values():
            number = model.aliases.get(CANDIDATE)
            if number is not None:
                version = self._version(model, number)
                if version.record is not None:
                    wanted[model.engine] = version.record.release
        return wanted

    def mark(
        self,
        engine: str,
        releases: Mapping[str, Release | None],
        taken: str | None,
        files: Mapping[str, Path | None],
        is_abandoned: Event,
    ) -> None:
        """releases: by alias. files: of releases that MLflow does not have yet, by version."""
        model = self._models()[0].get(engine) or self._create_model(engine)
        numbers = {
            version.record.release: version.number
            for version in reversed(self._versions(model))
            if version.record is not None
        }
        for alias, release in releases.items():
            number = None
            if release is not None:
                number = numbers.get(release.version)
                if number is None:
                    record = ReleaseRecord(
                        engine, release.version, release.pins, reason="declared in releases.yaml"
                    )
                    file = files.get(release.version)
                    number, _ = self._create_version(model, record, file, is_abandoned)
                    numbers[release.version] = number
            self._point(model, alias, number)
        if taken is not None and numbers.get(taken) == model.aliases.get(CANDIDATE, 0):
            self._point(model, CANDIDATE, None)

    def _point(self, model: Model, alias: str, number: int | None) -> None:
        if model.aliases.get(alias) == number:
            return
        if number is None:
            self._client.delete_registered_model_alias(model.name, alias)
        else:
            self._client.set_registered_model_alias(model.name, alias, str(number))

    def _models(self) -> tuple[dict[str, Model], list[str]]:
        """The registered model of each engine, and what stands in the way of others."""
        found: dict[str, Model] = {}
        complaints = []
        pages = _pages(
            lambda token: self._client.search_registered_models(max_results=PAGE, page_token=token)
        )
        # One that Tidegate made goes before one that somebody has given the tag.
        for each in sorted(pages, key=lambda one: (one.name != one.tags.get(ENGINE_TAG), one.name)):
            engine = each.tags.get(ENGINE_TAG)
            if not engine:
                continue
            aliases = {alias: int(number) for alias, number in each.aliases.items()}
            model = found.setdefault(engine, Model(each.name, engine, aliases))
            if model.name != each.name:
                complaints.append(
                    f"registered model {each.name!r} in MLflow has the tag {ENGINE_TAG} "
                    f"{engine!r}, as {model.name!r} has; it is left out"
                )
        return found, complaints

    def _create_model(self, engine: str) -> Model:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(engine, tags={ENGINE_TAG: engine})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            model = self._models()[0].get(engine)  # somebody else's a moment ago
            if model is None:
                raise ValueError(
                    f"registered model {engine!r} is there without the tag {ENGINE_TAG}; "
                    f"set it to {engine!r} if releases are to be kept in it"
                ) from error
            return model
        return Model(engine, engine, {})

    def _versions(self, model: Model) -> list[Version]:
        """All versions, the oldest first."""
        name = model.name.replace("'", "\\'")
        pages = _pages(
            lambda token: self._client.search_model_versions(
                f"name='{name}'", max_results=PAGE, page_token=token
            )
        )
        return sorted((_read_version(each, model) for each in pages), key=lambda one: one.number)

    def _version(self, model: Model, number: int) -> Version:
        return _read_version(self._client.get_model_version(model.name, str(number)), model)

    def _holder(self, model: Model, release: str) -> Version | None:
        """The version that has this release, or another one of its precedence."""
        wanted = release_key(release)
        return next(
            (
                version
                for version in self._versions(model)
                if version.record is not None and release_key(version.record.release) == wanted
            ),
            None,
        )

    def _create_version(
        self, model: Model, record: ReleaseRecord, onnx: Path | None, is_abandoned: Event
    ) -> tuple[int, str]:
        """The new version's number, and the run that holds its files."""
        if is_abandoned.is_set():
            raise Abandoned
        run = self._client.create_run(
            self._experiment(), run_name=f"{record.engine} {record.release}"
        )
        run_id = run.info.run_id
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "release.json"
            written.write_text(json.dumps(fields_of(record), indent=2))
            self._client.log_artifact(run_id, str(written), ARTIFACTS)
        if onnx is not None:
            self._client.log_artifact(run_id, str(onnx), ARTIFACTS)
        self._client.set_terminated(run_id)
        if is_abandoned.is_set():
            raise Abandoned
        created = self._client.create_model_version(
            model.name,
            f"runs:/{run_id}/{ARTIFACTS}",
            run_id=run_id,
            tags=_tags_of(record),
            description=record.reason or None,
            await_creation_for=None,
        )
        return int(created.version), run_id

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(EXPERIMENT, self._artifacts))
        except MlflowException as error:
            found = self._client.get_experiment_by_name(EXPERIMENT)
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                raise
            return str(found.experiment_id)


def _pages(ask: Any) -> Iterator[Any]:
    token = None
    for _ in range(MOST_PAGES):
        page: Iterable[Any] = ask(token)
        yield from page
        token = page.token  # type: ignore[attr-defined]
        if not token:
            return


def _tags_of(record: ReleaseRecord) -> dict[str, str]:
    fields = fields_of(record)
    del fields["engine"]
    texts = {name: json.dumps(value) if name == "pins" else value for name, value in fields.items()}
    return {f"{PREFIX}{name}": value for name, value in texts.items() if value}


def _read_version(found: Any, model: Model) -> Version:
    number = int(found.version)
    where = f"version {number} of registered model {model.name!r} in MLflow"
    fields: dict[str, Any] = {
        tag.removeprefix(PREFIX): value
        for tag, value in found.tags.items()
        if tag.startswith(PREFIX)
    }
    for tag in (RELEASE_TAG, PINS_TAG):
        if not found.tags.get(tag):
            return Version(number, None, f"{where} has no tag {tag}")
    try:
        fields["pins"] = json.loads(fields["pins"])
    except ValueError:
        return Version(number, None, f"{where}: tag {PINS_TAG} is no JSON: {fields['pins']!r:.80}")
    try:
        record = check_fields({**fields, "engine": model.engine}, source=where)
    except ValueError as error:
        return Version(number, None, f"{where}: tag {PREFIX}{error}")
    return Version(number, record)

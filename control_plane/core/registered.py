"""Releases that were registered while Tidegate ran, put beside those that people declared.

What is declared in ``releases.yaml`` must be right, or nothing starts. What was registered comes
from files or from a server that others write to as well: a record that cannot be used is left out
and complained of, and the rest serves.

What is in use is never lost, whatever happens to its record: a release that the stored state
names (``releases_in_use``) stays in the catalogue as it was (``keep_in_use``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from control_plane.core.catalogue import (
    Engine,
    ModelSpec,
    Release,
    make_release,
    ordered,
    pins_complaint,
)
from control_plane.core.state import State
from control_plane.core.versions import is_version, precedence


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A registered release, as it is written down.

    pins: what it says; components that it does not name are as the configuration has them.
    onnx_sha256: of the file that came with it, in hexadecimal; empty if none did.
    registered_at: ISO 8601, in UTC. source: where it is written down, for a person.
    """

    engine: str
    release: str
    pins: Mapping[str, int]
    onnx_sha256: str = ""
    who: str = ""
    reason: str = ""
    registered_at: str = ""
    source: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Registered:
    """All records of a registry. complaints: of what could not be read as one.

    files: what was registered as files, where another registry is asked now; it serves nothing.
    """

    records: tuple[ReleaseRecord, ...] = ()
    complaints: tuple[str, ...] = ()
    files: tuple[ReleaseRecord, ...] = ()


def add_registered(
    engines: Mapping[str, Engine],
    models: Mapping[str, ModelSpec],
    records: Iterable[ReleaseRecord],
) -> tuple[dict[str, Engine], tuple[str, ...]]:
    """The engines with the registered releases, and what was left out and why.

    Of two records of one release the first one counts: registries give the older one first.
    """
    joined, complaints = dict(engines), []
    for record in records:
        complaint = _record_complaint(record, joined, models)
        if complaint:
            complaints.append(f"{record.source or 'a record'}: {complaint}; it is left out")
        elif record.release not in joined[record.engine].releases:
            engine = joined[record.engine]
            release = make_release(models[engine.name], models, record.release, record.pins)
            joined[engine.name] = with_releases(engine, [release])
    return joined, tuple(complaints)


def files_complaints(
    engines: Mapping[str, Engine], files: Iterable[ReleaseRecord]
) -> tuple[str, ...]:
    """Which releases vanished when the kind of registry was changed, and how each comes back."""
    complaints = []
    for record in files:
        engine = engines.get(record.engine)
        if engine is not None and same_precedence(engine, record.release) is None:
            pins = "".join(f" --pin {model}={pin}" for model, pin in record.pins.items())
            complaints.append(
                f"release {record.release} of {record.engine!r} was registered as a file "
                f"({record.source}), and registry.kind is mlflow; it is not served unless it is "
                f"registered there too: tidegate register {record.engine} {record.release}{pins}"
            )
    return tuple(complaints)


def with_releases(engine: Engine, releases: Iterable[Release]) -> Engine:
    """The engine with these releases too, or in place of those of the same version."""
    return replace(engine, releases=ordered((*engine.releases.values(), *releases)))


def _record_complaint(
    record: ReleaseRecord, engines: Mapping[str, Engine], models: Mapping[str, ModelSpec]
) -> str:
    """Why a record cannot be used, "" if it can. The same release declared alike is no reason."""
    what = f"release {record.release} of {record.engine!r}"
    engine = engines.get(record.engine)
    if engine is None:
        return f"{what}: there is no such engine"
    if not is_version(record.release):
        return f"{what}: not a semantic version such as 1.2.0"
    complaint = pins_complaint(models[engine.name], models, record.pins)
    if complaint:
        return f"{what} {complaint}"
    there = same_precedence(engine, record.release)
    if there is None:
        return ""
    mine = make_release(models[engine.name], models, record.release, record.pins)
    if there == mine:
        return ""
    if there.version == record.release:
        return f"{what} is there already, with other pins"
    return f"{what} differs from {there.version} in build metadata only"


def same_precedence(engine: Engine, version: str) -> Release | None:
    """The engine's release that is neither before nor after this version, if it has one."""
    wanted = precedence(version)
    return next(
        (each for each in engine.releases.values() if precedence(each.version) == wanted), None
    )


def releases_in_use(state: State, engines: Mapping[str, Engine]) -> tuple[Release, ...]:
    """The releases that serve, or that the engines are being moved from or to.

    engines: the last good ones; a release that the routing table does not name is looked up there.
    """
    found = {(each.engine, each.version): each for each in state.table.releases()}
    for name, stored in state.engines.items():
        rollout = stored.rollout
        named = {stored.stable}
        if rollout is not None:  # also what a rollback would go to
            named |= {rollout.stable, rollout.target}
        known = engines[name].releases if name in engines else {}
        for version in named & known.keys():
            found.setdefault((name, version), known[version])
    return tuple(found.values())


def keep_in_use(
    engines: Mapping[str, Engine], models: Mapping[str, ModelSpec], in_use: Iterable[Release]
) -> tuple[dict[str, Engine], tuple[str, ...]]:
    """The engines as they are now, but with every release in use as it was; and what differs.

    A release of an engine that is not there any more cannot be kept.
    """
    kept, complaints = dict(engines), []
    for release in in_use:
        engine = kept.get(release.engine)
        what = f"release {release.version} of {release.engine!r} is in use"
        if engine is None:
            complaints.append(f"{what}, but the repository has no such engine")
            continue
        now = engine.releases.get(release.version)
        if now is None:
            complaints.append(f"{what}, but not in the catalogue any more; it is kept as it was")
        elif now != release:
            complaints.append(
                f"{what} with the pins {_shown(release)}, and the catalogue now says "
                f"{_shown(now)}; it is kept as it was"
            )
        gone = [
            f"{model} {version}"
            for model, version in release.pins.items()
            if model not in models or version not in models[model].versions
        ]
        if gone:
            complaints.append(f"{what}, but the repository has no {', '.join(gone)} any more")
        if now != release:
            kept[engine.name] = with_releases(engine, [release])
    return kept, tuple(complaints)


def _shown(release: Release) -> str:
    return ", ".join(f"{model} {version}" for model, version in release.pins.items())

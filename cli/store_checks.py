"""What ``tidegate doctor`` says of the state store and of the registry of releases.

By the settings, so also while no control plane runs. Nothing is written, made or migrated: what
is not there yet is made at the first start.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.checks import Check, Level

if TYPE_CHECKING:
    from control_plane.settings import Settings

STORE, REGISTRY = "state store", "registry"
TIMEOUT_S = 2.0
MOUNTS = Path("/proc/self/mounts")
# SQLite's locks do not hold on them, or not always.
SHARED_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "afs"})


def check_store(settings: Settings) -> Iterator[Check]:
    """Which store it is, whether it can be written, and whether this Tidegate knows its tables."""
    from control_plane.adapters.stores.location import locate
    from control_plane.errors import ConfigurationError

    try:
        location = locate(settings.store_location)
    except ConfigurationError as error:
        yield Check(Level.FAIL, STORE, error.message, "mend store.url")
        return
    if not location.is_sqlite:
        yield _check_tables(settings, str(location), "is Postgres started, and open to here?")
        return
    path = location.path.absolute()
    if trouble := trouble_with_file(path):
        remedy = "give it to the user that Tidegate runs as, or choose another: --state-dir"
        yield Check(Level.FAIL, STORE, f"{location} {trouble}", remedy)
        return
    kind = file_system_of(path)
    if kind in SHARED_FILE_SYSTEMS:
        remedy = "keep it on a local disk (--state-dir), or several planes on Postgres (store.url)"
        detail = f"{location} is on {kind}, where SQLite's locks may not hold"
        yield Check(Level.WARN, STORE, detail, remedy)
    if path.exists():
        yield _check_tables(settings, str(location), "see who holds it: fuser, lsof")
    else:
        yield Check(Level.OK, STORE, f"{location} will be made at the first start")


def _check_tables(settings: Settings, shown: str, remedy: str) -> Check:
    from control_plane.adapters.stores.schema import version_of
    from control_plane.errors import ConfigurationError
    from control_plane.ports import StoreUnavailable

    try:
        version = asyncio.run(version_of(settings.store_location, timeout_s=TIMEOUT_S))
    except ConfigurationError as error:
        return Check(Level.FAIL, STORE, error.message, "start the newer Tidegate, or another store")
    except StoreUnavailable as error:
        return Check(Level.FAIL, STORE, str(error), remedy)
    tables = f"tables of version {version}" if version else "no tables yet"
    return Check(Level.OK, STORE, f"{shown}, {tables}")


def trouble_with_file(path: Path) -> str | None:
    """Why SQLite could not write there, or None."""
    if path.exists():
        # Its log is written beside it.
        writable = path.is_file() and os.access(path, os.R_OK | os.W_OK)
        return None if writable and os.access(path.parent, os.W_OK) else "cannot be written"
    folder = next(each for each in path.parents if each.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return f"cannot be made: {folder} is not ours to write"
    return None


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str:
    """What the place is mounted as; empty where it cannot be known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place, found = path.resolve(), ("", "")
    for line in lines:
        _, mounted, kind, *_ = line.split(" ")
        if len(mounted) >= len(found[0]) and place.is_relative_to(mounted):
            found = mounted, kind
    return found[1]


def check_registry(settings: Settings) -> Iterator[Check]:
    """Whether MLflow's server answers, where one is named."""
    registry = settings.registry
    if registry.kind == "files":
        detail = f"files beside the models, in {settings.model_repository}"
        if os.access(settings.model_repository, os.W_OK):
            yield Check(Level.OK, REGISTRY, detail)
        else:
            # As where the repository is mounted read-only, on purpose.
            remedy = "open it for writing, or register where it is"
            words = f"{detail}: read only, so nothing can be registered here"
            yield Check(Level.WARN, REGISTRY, words, remedy)
        return
    uri = registry.tracking_uri
    if not uri.startswith("http"):
        yield Check(Level.OK, REGISTRY, f"MLflow in {uri or settings.state_dir}, without a server")
        return
    trouble = _trouble_with_server(f"{uri.rstrip('/')}/health")
    if trouble is None:
        yield Check(Level.OK, REGISTRY, f"MLflow at {uri} answers")
    else:
        remedy = "start it, or mend registry.tracking_uri; what is known of releases still holds"
        yield Check(Level.WARN, REGISTRY, f"MLflow at {uri}: {trouble}", remedy)


def _trouble_with_server(url: str) -> str | None:
    import httpx

    try:
        answer = httpx.get(url, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error).lower() or type(error).__name__
    return None if answer.is_success else f"it answered {answer.status_code}"

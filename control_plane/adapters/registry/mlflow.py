"""Registered releases in MLflow: its calls in threads, each with a time limit.

MLflow may be away, slow or broken, and whoever asks keeps what he had: everything that goes wrong
is RegistryUnavailable. A call that took too long goes on in its thread until MLflow's own time
limit; there are few threads, so a server that hangs holds no more than those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

from control_plane.adapters.private_files import make_private_file, make_private_folder
from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow_models import CANARY, STABLE, MlflowModels
from control_plane.core.catalogue import Release
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.errors import ControlPlaneError
from control_plane.ports import RegistryUnavailable

THREADS = 2
REASON_LENGTH = 300
SQLITE = "sqlite:///"
ARTIFACTS = "mlflow-artifacts"

Answer = TypeVar("Answer")


def local_uri(state_dir: Path) -> str:
    """Where MLflow's tables are when there is no server."""
    return f"{SQLITE}{state_dir.absolute() / 'mlflow.db'}"


class MlflowRegistry:
    """A ReleaseRegistry in MLflow.

    tracking_uri: ``http(s)://`` of a server, or ``sqlite:///`` of a file beside which the artifacts
        are kept then.
    file_of: the ONNX file of a release that was declared and never registered; it becomes a model
        version when it is first marked.
    files: where releases were registered before MLflow was; it is read, so that they are missed.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        timeout_s: float,
        upload_timeout_s: float,
        file_of: Callable[[Release], Path | None] = lambda _: None,
        files: FileRegistry | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._timeout_s = timeout_s
        self._upload_timeout_s = upload_timeout_s
        self._file_of = file_of
        self._files = files
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mlflow")
        self._opening = Lock()
        self._opened: MlflowModels | None = None

    async def close(self) -> None:
        """Lets its threads go; those that still wait for MLflow are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def read(self) -> Registered:
        found = await self._ask(lambda models: models.read(), self._timeout_s)
        if self._files is None:
            return found
        with suppress(RegistryUnavailable):  # of a folder that is not even in use here
            return replace(found, files=(await self._files.read()).records)
        return found

    async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
        is_abandoned = Event()
        await self._ask(
            lambda models: models.add(record, onnx, is_abandoned=is_abandoned),
            self._upload_timeout_s,
            is_abandoned,
        )

    async def candidates(self) -> Mapping[str, str]:
        return await self._ask(lambda models: models.candidates(), self._timeout_s)

    async def mark(
        self, engine: str, *, stable: Release, canary: Release | None, taken: str | None = None
    ) -> None:
        is_abandoned = Event()
        releases = {STABLE: stable, CANARY: canary}
        files = {each.version: self._file_of(each) for each in releases.values() if each}
        await self._ask(
            lambda models: models.mark(engine, releases, taken, files, is_abandoned),
            self._upload_timeout_s,
            is_abandoned,
        )

    async def _ask(
        self,
        call: Callable[[MlflowModels], Answer],
        timeout_s: float,
        is_abandoned: Event | None = None,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                return await loop.run_in_executor(self._threads, lambda: call(self._models()))
        except TimeoutError:
            raise RegistryUnavailable(
                f"MLflow at {self._uri} has not answered within {timeout_s:g} s"
            ) from None
        except (ControlPlaneError, asyncio.CancelledError):
            raise
        except Exception as error:  # MLflow, requests and SQLAlchemy each have their own
            raise RegistryUnavailable(f"MLflow at {self._uri}: {_reason(error)}") from error
        finally:
            if is_abandoned is not None:
                is_abandoned.set()

    def _models(self) -> MlflowModels:
        """Opened by the first call, in its thread: the import alone takes a second."""
        with self._opening:
            if self._opened is None:
                artifacts = None
                if self._uri.startswith(SQLITE):
                    path, _, _ = self._uri.removeprefix(SQLITE).partition("?")
                    tables = Path(path).absolute()
                    folder = tables.parent / ARTIFACTS
                    make_private_file(tables)
                    make_private_folder(folder)
                    artifacts = folder.as_uri()
                self._opened = MlflowModels(self._uri, artifacts, timeout_s=self._timeout_s)
            return self._opened


def _reason(error: BaseException) -> str:
    """What the system said, if it did; MLflow wraps three layers of clients around it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return " ".join(str(error).split())[:REASON_LENGTH] or type(error).__name__

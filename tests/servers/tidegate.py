"""One Tidegate with two real Tritons for the whole session; whoever asks first starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.jobs.receiving import SECRET, Receiver, receiving
from tests.integration.running import ROOT, RunningTidegate, options_of, wait_until
from tests.servers.otlp import Collector, collecting

MAX_PHOTO_BYTES = 2 * 1024 * 1024
MAX_PHOTO_PIXELS = 8_000_000
MAX_PHOTO_FULL_PIXELS = 6_000_000
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


@pytest.fixture(scope="session")
def photo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder that file:// photos may come from."""
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Where the results of jobs are sent."""
    with receiving() as made:
        yield made


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where traces are sent."""
    with collecting() as made:
        yield made


@pytest.fixture(scope="session")
def tidegate(
    tmp_path_factory: pytest.TempPathFactory,
    photo_root: Path,
    receiver: Receiver,
    collector: Collector,
) -> Iterator[RunningTidegate]:
    running = RunningTidegate(
        folder=tmp_path_factory.mktemp("tidegate"),
        model_repository=ROOT / "model_repository",
        tritons=2,
        settings=options_of(
            {
                "photos.allowed_roots": [str(photo_root)],
                "photos.https_hosts": ["photos.invalid"],
                "photos.max_bytes": MAX_PHOTO_BYTES,
                "photos.max_pixels": MAX_PHOTO_PIXELS,
                "photos.max_full_pixels": MAX_PHOTO_FULL_PIXELS,
                "grpc.max_message_bytes": MAX_MESSAGE_BYTES,
                # The machine of a test is slower than the defaults assume.
                "requests.timeout_s": 40,
                "requests.engine_timeout_s": 30,
                "fleet.observe_timeout_s": 5,
                "results.webhook_url": receiver.url,
                "results.webhook_secret": SECRET,
                "results.first_retry_s": 0.2,
                "tracing.endpoint": collector.grpc,
                "tracing.triton_endpoint": collector.http,
                # Only what a caller wants to be sampled, or what fails.
                "tracing.sample_ratio": 0,
                "tracing.slow_s": 300,
            }
        ),
    )
    running.start()
    try:
        running.wait_ready()
        wait_until(running.are_all_ready, timeout_s=120, what="both Tritons are ready")
        running.remember_family()
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def all_in_order(request: pytest.FixtureRequest) -> None:
    """Each test of a Tidegate that others have too begins with all of its Tritons in order.

    On a busy machine a look may be late, and an instance degraded until three were good.
    """
    if "tidegate" in request.fixturenames:
        running: RunningTidegate = request.getfixturevalue("tidegate")
        wait_until(running.are_all_ready, timeout_s=120, what="all Tritons are ready and healthy")

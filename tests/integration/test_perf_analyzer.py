"""perf_analyzer against the gateway, unchanged, as against a Triton."""

from __future__ import annotations

import base64
import csv
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.photos import photo_of
from tests.integration.running import RunningTidegate

HOME = Path(sys.prefix) / "perf_analyzer"
BINARY = HOME / "perf_analyzer"
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": str(HOME)}
REQUESTS = 40


@pytest.fixture(scope="module", autouse=True)
def perf_analyzer() -> None:
    """Skips where the binary is missing; with CI=true that is a failure."""
    problem = f"perf_analyzer is missing in {HOME.name}/; scripts/install_test_servers.sh gets it"
    if BINARY.exists():
        command = [str(BINARY), "--version"]
        ran = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            return
        problem = f"perf_analyzer does not run here: {ran.stderr.strip()[-300:]}"
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)


@pytest.mark.triton
@pytest.mark.parametrize(
    ("engine", "release", "concurrency"), [("damage", "", 1), ("volume", "1.0.0", 4)]
)
def test_it_completes_a_run(
    tidegate: RunningTidegate, tmp_path: Path, engine: str, release: str, concurrency: int
) -> None:
    photo = photo_of(engine)
    # It sends these bytes as they are, so they hold the string's length, as the protocol has it.
    tensor = base64.b64encode(struct.pack("<I", len(photo)) + photo).decode()
    data = tmp_path / "photos.json"
    data.write_text(json.dumps({"data": [{"IMAGE": {"b64": tensor}}]}))
    report = tmp_path / "report.csv"
    command = [str(BINARY), "-m", engine, "-i", "grpc", "-u", tidegate.grpc, "-b", "1"]
    command += ["--input-data", str(data), "--concurrency-range", str(concurrency)]
    command += ["--request-count", str(REQUESTS), "-f", str(report)]
    if release:
        command += ["-x", release]
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with report.open() as lines:
        (row,) = csv.DictReader(lines)
    assert float(row["Inferences/Second"]) > 0
    assert float(row["p99 latency"]) >= float(row["p50 latency"]) > 0
    tidegate.wait_idle()

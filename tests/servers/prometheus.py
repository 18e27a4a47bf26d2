"""A Prometheus of the tests' own, on a free port, by the configuration that is shipped."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers.ports import free_port

SHIPPED = Path(__file__).parents[2] / "deploy/prometheus"
MISSING = "prometheus or promtool is missing here; scripts/install_test_servers.sh gets them"
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20


def has_prometheus() -> bool:
    return all(shutil.which(program) for program in ("prometheus", "promtool"))


class PrometheusServer:
    """deploy/prometheus with other targets, which are asked more often.

    folder: for its configuration and its data. targets: host:port of each control plane.
    """

    def __init__(self, folder: Path, targets: Sequence[str], *, interval_s: int = 1) -> None:
        self._folder = folder
        self._targets = list(targets)
        self._interval_s = interval_s
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{free_port()}"
        self._client = httpx.Client(base_url=self.url, timeout=20)

    def start(self) -> None:
        self._configure()
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert self._process.poll() is None, f"prometheus ended:\n{self.last_words()}"
            assert time.monotonic() < give_up_at, f"prometheus is slow:\n{self.last_words()}"
            time.sleep(0.05)

    def stop(self) -> None:
        self._client.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant vector; AssertionError where it cannot be evaluated."""
        answer = self._client.post("/api/v1/query", data={"query": expression})
        found = answer.json()
        assert found["status"] == "success", f"{expression}: {found}"
        assert found["data"]["resultType"] == "vector", expression
        series: list[dict[str, Any]] = found["data"]["result"]
        return series

    def rules(self) -> list[dict[str, Any]]:
        """Each rule that is loaded, and how its last evaluation went."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def last_words(self) -> str:
        return (self._folder / "log").read_text()[-4000:]

    def _configure(self) -> None:
        shutil.copytree(SHIPPED, self._folder, dirs_exist_ok=True)
        file = self._folder / "prometheus.yml"
        parsed = yaml.safe_load(file.read_text())
        interval = f"{self._interval_s}s"
        parsed["global"] = {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        }
        file.write_text(yaml.safe_dump(parsed))
        for rules in (self._folder / "rules").glob("*.yml"):
            groups = yaml.safe_load(rules.read_text())
            for group in groups["groups"]:
                group.pop("interval", None)
            rules.write_text(yaml.safe_dump(groups))
        (self._folder / "targets.yml").write_text(yaml.safe_dump([{"targets": self._targets}]))

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

"""What the gateway costs: through Tidegate against straight to Triton, in one run.

Starts one embedded Triton with the ``echo`` model, Tidegate in front of it with everything
on, and the least a Python proxy can be (``bare_proxy.py``), and lets perf_analyzer ask each
of them in turn, several rounds, so that a machine whose speed drifts slows all alike. Prints
medians over the rounds and the ratios to the direct path, as Markdown.

    python benchmarks/gateway_overhead.py [--rounds 3] [--window-ms 1500] [--json FILE]

With ``--observability`` it compares two Tidegates instead, in pairs that follow each other at once:
one with metrics that are scraped, logs, and traces of which 1 % are sent to a collector, and one
with nothing of that (``unobserved.py``).

    python benchmarks/gateway_overhead.py --observability [--rounds 15] [--window-ms 1000]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from rich.progress import Progress
from tritonclient.grpc import service_pb2, service_pb2_grpc

HERE = Path(__file__).parent
ROOT = HERE.parent
PERF_ANALYZER = Path(
    os.environ.get("PERF_ANALYZER", ROOT / ".venv" / "perf_analyzer" / "perf_analyzer")
)
PATHS = ("direct", "bare proxy", "tidegate")
SIZES = {"64 B": 16, "1 MB": 262_144}
CONCURRENCIES = (1, 8)
COUNTED = "nv_inference_request_success"


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement. Latencies in milliseconds, throughput in requests a second."""

    p50_ms: float
    p99_ms: float
    throughput: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all paths (3)")
    parser.add_argument("--window-ms", type=int, default=1500, help="one of 3 windows (1500)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--observability", action="store_true", help="with it against without")
    options = parser.parse_args()
    if not PERF_ANALYZER.exists():
        sys.exit("perf_analyzer is missing: run scripts/install_test_servers.sh")
    with ExitStack() as stack:
        if options.observability:
            pairs = measure_pairs(stack, rounds=options.rounds, window_ms=options.window_ms)
            print_pairs(pairs)
            if options.json:
                options.json.write_text(json.dumps(pairs, indent=2))
            return
        urls = start_everything(stack)
        figures = measure_all(urls, rounds=options.rounds, window_ms=options.window_ms)
    print_table(figures)
    if options.json:
        options.json.write_text(json.dumps(as_json(figures), indent=2))


def start_everything(stack: ExitStack) -> dict[str, str]:
    """The gRPC address of each path."""
    http_port, grpc_port, bare_port = free_ports(3)
    triton_port = free_port_range(3)
    tidegate = [str(Path(sys.executable).parent / "tidegate"), "up", "--tritons", "1"]
    tidegate += ["--model-repository", str(HERE / "models"), "--log-level", "warning"]
    tidegate += ["--triton-base-port", str(triton_port)]
    tidegate += ["--state-dir", stack.enter_context(tempfile.TemporaryDirectory())]
    tidegate += ["--http-port", str(http_port), "--grpc-port", str(grpc_port)]
    stack.enter_context(process(tidegate))
    urls = {
        "direct": f"127.0.0.1:{triton_port + 1}",
        "bare proxy": f"127.0.0.1:{bare_port}",
        "tidegate": f"127.0.0.1:{grpc_port}",
    }
    bare = [sys.executable, str(HERE / "bare_proxy.py"), urls["bare proxy"], urls["direct"]]
    stack.enter_context(process(bare))
    for url in urls.values():
        wait_ready(url)
    return urls


@dataclass(frozen=True, slots=True)
class Measured:
    """A Tidegate that is measured. triton_metrics: where its requests are counted."""

    url: str
    process: psutil.Process
    triton_metrics: str

    def figures(self, concurrency: int, window_ms: int) -> tuple[float, float]:
        """Requests a second, and microseconds of its process's own time for each request.

        The second hardly changes with what else the machine has to do.
        """
        began_s, begun = self._cpu_s(), self._requests()
        throughput = perf_analyzer(self.url, SIZES["64 B"], concurrency, window_ms).throughput
        requests = self._requests() - begun
        return throughput, 1e6 * (self._cpu_s() - began_s) / requests

    def _cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def _requests(self) -> float:
        text = urllib.request.urlopen(self.triton_metrics, timeout=30).read().decode()
        counts = [line for line in text.splitlines() if line.startswith(COUNTED)]
        return sum(float(line.rpartition(" ")[2]) for line in counts)


def start_pair(stack: ExitStack) -> dict[str, Measured]:
    """Two Tidegates before one Triton."""
    collector = stack.enter_context(collecting())
    triton_port = free_port_range(3)
    ports = free_ports(4)
    urls = {name: f"127.0.0.1:{port}" for name, port in zip(("on", "off"), ports[2:], strict=True)}
    common = ["--model-repository", str(HERE / "models")]
    on = [str(Path(sys.executable).parent / "tidegate"), "up", "--tritons", "1", *common]
    on += ["--triton-base-port", str(triton_port), "--log-level", "info"]
    off = [sys.executable, str(HERE / "unobserved.py"), "serve", *common]
    traced = {"TIDEGATE_TRACING__ENDPOINT": collector, "TIDEGATE_TRACING__SAMPLE_RATIO": "0.01"}
    there = {"name": "triton-0", "grpc_url": f"127.0.0.1:{triton_port + 1}"}
    instances = {"TIDEGATE_INSTANCES": json.dumps([there])}
    metrics = f"http://127.0.0.1:{triton_port + 2}/metrics"
    pair = {}
    for name, command, http, grpc_port, more in (
        ("on", on, ports[0], ports[2], traced),
        ("off", off, ports[1], ports[3], instances),
    ):
        command += ["--state-dir", stack.enter_context(tempfile.TemporaryDirectory())]
        command += ["--http-port", str(http), "--grpc-port", str(grpc_port)]
        pid = stack.enter_context(process(command, PYTHONPATH=str(ROOT), **more))
        pair[name] = Measured(urls[name], psutil.Process(pid), metrics)
    for url in urls.values():
        wait_ready(url)
    stack.enter_context(scraping(f"http://127.0.0.1:{ports[0]}/metrics"))
    return pair


def measure_pairs(stack: ExitStack, *, rounds: int, window_ms: int) -> dict[str, dict[str, float]]:
    """By concurrency: the median of each, and of the ratios of what was measured in pairs."""
    pair = start_pair(stack)
    for one in pair.values():
        one.figures(8, window_ms)  # warm
    ratios: dict[int, list[dict[str, float]]] = {one: [] for one in CONCURRENCIES}
    for number in range(rounds):
        for concurrency, found in ratios.items():
            # Who is first changes, so that a machine that slows down favours neither.
            order = ("on", "off") if number % 2 else ("off", "on")
            seen = {name: pair[name].figures(concurrency, window_ms) for name in order}
            (on, on_us), (off, off_us) = seen["on"], seen["off"]
            found.append(
                {"on": on, "off": off, "ratio": on / off}
                | {"on_us": on_us, "off_us": off_us, "share": off_us / on_us}
            )
    return {
        str(concurrency): {
            **{name: statistics.median(one[name] for one in found) for name in found[0]},
            "lowest": min(one["ratio"] for one in found),
            "highest": max(one["ratio"] for one in found),
        }
        for concurrency, found in ratios.items()
    }


def print_pairs(pairs: dict[str, dict[str, float]]) -> None:
    print(f"\n{machine()}\n")
    print(
        "| concurrency | on, requests/s | off, requests/s | on / off | from | to "
        "| own time on, µs | off, µs | off / on |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for concurrency, one in pairs.items():
        print(
            f"| {concurrency} | {one['on']:,.0f} | {one['off']:,.0f} | {one['ratio']:.3f} "
            f"| {one['lowest']:.2f} | {one['highest']:.2f} "
            f"| {one['on_us']:.0f} | {one['off_us']:.0f} | {one['share']:.3f} |"
        )


@contextmanager
def collecting() -> Iterator[str]:
    """The endpoint of a collector that takes everything and keeps nothing."""
    take = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        handler = grpc.method_handlers_generic_handler(service, {"Export": take})
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


@contextmanager
def scraping(url: str, every_s: float = 5.0) -> Iterator[None]:
    """As a Prometheus does."""
    is_over = threading.Event()

    def scrape() -> None:
        while not is_over.wait(every_s):
            with suppress(OSError):
                urllib.request.urlopen(url, timeout=every_s).read()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def measure_all(
    urls: dict[str, str], *, rounds: int, window_ms: int
) -> dict[tuple[str, int, str], Figures]:
    """Medians over the rounds, by (size, concurrency, path)."""
    found: dict[tuple[str, int, str], list[Figures]] = {}
    cases = [(size, concurrency) for size in SIZES for concurrency in CONCURRENCIES]
    with Progress(transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(cases) * len(PATHS))
        for _ in range(rounds):
            for size, concurrency in cases:
                for path in PATHS:
                    figures = perf_analyzer(urls[path], SIZES[size], concurrency, window_ms)
                    found.setdefault((size, concurrency, path), []).append(figures)
                    progress.advance(task)
    return {
        case: Figures(
            *(
                statistics.median(getattr(figures, name) for figures in rounds_of)
                for name in ("p50_ms", "p99_ms", "throughput")
            )
        )
        for case, rounds_of in found.items()
    }


def perf_analyzer(url: str, floats: int, concurrency: int, window_ms: int) -> Figures:
    """Three windows, whatever their spread: the rounds are what evens out the machine."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.csv"
        command = [str(PERF_ANALYZER), "-m", "echo", "-i", "grpc", "-u", url, "-f", str(report)]
        command += ["--shape", f"INPUT:{floats}", "--concurrency-range", str(concurrency)]
        command += ["--measurement-interval", str(window_ms), "--percentile", "50"]
        command += ["--stability-percentage", "999", "--max-trials", "3"]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(PERF_ANALYZER.parent)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not report.exists():
            sys.exit(
                f"perf_analyzer failed on {url}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            )
        with report.open() as lines:
            row = next(csv.DictReader(lines))
    return Figures(
        p50_ms=float(row["p50 latency"]) / 1000,
        p99_ms=float(row["p99 latency"]) / 1000,
        throughput=float(row["Inferences/Second"]),
    )


def print_table(figures: dict[tuple[str, int, str], Figures]) -> None:
    print(f"\n{machine()}\n")
    print(
        "| tensor | concurrency | path | p50 ms | added | p99 ms | requests/s | share of direct |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (size, concurrency, path), own in figures.items():
        direct = figures[size, concurrency, "direct"]
        print(
            f"| {size} | {concurrency} | {path} | {own.p50_ms:.2f} "
            f"| {own.p50_ms - direct.p50_ms:+.2f} | {own.p99_ms:.2f} | {own.throughput:,.0f} "
            f"| {own.throughput / direct.throughput:.2f} |"
        )


def as_json(figures: dict[tuple[str, int, str], Figures]) -> list[dict[str, object]]:
    return [
        {"tensor": size, "concurrency": concurrency, "path": path}
        | {name: getattr(own, name) for name in ("p50_ms", "p99_ms", "throughput")}
        for (size, concurrency, path), own in figures.items()
    ]


def machine() -> str:
    return (
        f"Python {platform.python_version()}, grpcio {grpc.__version__}, {os.cpu_count()} cores, "
        f"client, gateway and Triton on the same machine."
    )


def wait_ready(url: str, timeout_s: float = 180) -> None:
    """Until the echo model answers there."""
    give_up_s = time.monotonic() + timeout_s
    with grpc.insecure_channel(url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        while time.monotonic() < give_up_s:
            try:
                if stub.ModelReady(service_pb2.ModelReadyRequest(name="echo"), timeout=1).ready:
                    return
            except grpc.RpcError:
                pass  # not listening yet
            time.sleep(0.1)
    sys.exit(f"{url} was not ready within {timeout_s} s")


def free_port_range(count: int) -> int:
    """The first of ``count`` ports in a row that nobody listens on now."""
    for first in range(17_000, 18_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    sys.exit("no free ports between 17000 and 18000")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]


@contextmanager
def process(command: list[str], **environ: str) -> Iterator[int]:
    """Its id."""
    running = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ})
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait(30)


if __name__ == "__main__":
    main()

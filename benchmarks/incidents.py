"""Six incidents, really made, and what an operator sees of each: pages, alerts, logs, commands.

Starts two real Tritons behind a Tidegate with a real RabbitMQ, and a real Prometheus by the
configuration that is shipped; does to them what each incident of docs/operations.md says, under
steady load, and writes down what is to be seen while it lasts and after it: screenshots of the
dashboard, the answers of the command line, the alerts, the log. Takes about a quarter of an hour.

    python benchmarks/incidents.py [--only WORD] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.integration.faults.load import (  # noqa: E402
    Outcome,
    echoing,
    photographing,
    steady_load,
)
from tests.integration.faults.stage import (  # noqa: E402
    ECHO_MODELS,
    FIRST,
    LIMITED,
    SECOND,
    calm,
    ordered,
    server_of,
    stubs_of,
)
from tests.integration.faults.stage import _add_staged as add_staged  # noqa: E402
from tests.integration.photos import small_photo  # noqa: E402
from tests.integration.rollouts.load import Answers, scoring  # noqa: E402
from tests.integration.rollouts.repository import ENGINE, FAILING, write_repository  # noqa: E402
from tests.integration.rollouts.steering import Steering  # noqa: E402
from tests.integration.running import (  # noqa: E402
    RunningTidegate,
    command_line,
    options_of,
    wait_until,
)
from tests.servers.prometheus import PrometheusServer  # noqa: E402
from tests.servers.rabbitmq import RabbitmqServer, find_programs  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
DESKTOP = {"width": 1280, "height": 900}
MOST_WAITING = 200
FIRED_WITHIN_S = 420.0
LOG_LINES = 40
OVERVIEW, JOBS = "/", "/dashboard/jobs"


@dataclass(frozen=True)
class Scene:
    """All that runs, and the eyes on it."""

    tidegate: RunningTidegate
    rabbitmq: RabbitmqServer
    prometheus: PrometheusServer
    browser: Browser
    folder: Path

    def wait_for_alert(self, name: str, *, is_over: bool = False) -> None:
        """Until Prometheus would call somebody, or nobody any more."""
        wait_until(
            lambda: is_over is not self._fires(name),
            timeout_s=FIRED_WITHIN_S,
            what=f"{name} {'is over' if is_over else 'fires'}",
        )

    def _fires(self, name: str) -> bool:
        return any(one["labels"]["alertname"] == name for one in self.alerts("firing"))

    def alerts(self, *states: str) -> list[dict[str, dict[str, str]]]:
        found = httpx.get(f"{self.prometheus.url}/api/v1/alerts", timeout=10).json()
        return [one for one in found["data"]["alerts"] if not states or one["state"] in states]

    def capture(
        self, moment: str, *, pages: Sequence[str], commands: Sequence[Sequence[str]] = ()
    ) -> None:
        """Writes down what is to be seen now. moment: begins the files' names."""
        print(f"  {moment}", file=sys.stderr, flush=True)
        for number, path in enumerate(pages):
            self._picture(path, self.folder / f"{moment}-{number}.png")
        told = [self._told(*command) for command in (("status",), ("fleet", "--times", "1"))]
        told += [self._told(*command) for command in commands]
        alerts = [
            f"{one['state']:8} {one['labels']['alertname']}: {one['annotations'].get('summary')}"
            for one in self.alerts()
        ]
        lines = self.tidegate.log_file.read_text().splitlines()
        telling = [line for line in lines if '"event":"request"' not in line][-LOG_LINES:]
        text = "\n".join((*told, "# alerts", *alerts, "# log", *telling, ""))
        (self.folder / f"{moment}.txt").write_text(text)

    def _picture(self, path: str, to: Path) -> None:
        page = self.browser.new_page(viewport=DESKTOP)
        try:
            page.goto(self.tidegate.url + path, wait_until="load")
            page.wait_for_selector("main")
            page.wait_for_timeout(2_500)  # curves and live parts come a moment after the page
            page.screenshot(path=to, full_page=True)
        finally:
            page.close()

    def _told(self, *command: str) -> str:
        done = command_line(*command, url=self.tidegate.url)
        answer = f"{done.stdout}{done.stderr}(exit {done.returncode})"
        return f"$ tidegate {' '.join(command)}\n{answer}\n"


def dead_instance(scene: Scene) -> None:
    """A Triton that dies as often as it is started."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.2):
            try:
                server_of(scene.tidegate).kill()
            except (ValueError, psutil.Error):
                continue  # it is not there just now

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        scene.wait_for_alert("TidegateInstanceUnhealthy")
        scene.capture(
            "1-dead-instance",
            pages=(OVERVIEW, f"/dashboard/instances/{FIRST}"),
            commands=(("fleet", "show", FIRST),),
        )
    finally:
        over.set()
        killer.join()
    wait_until(scene.tidegate.are_all_ready, timeout_s=120, what="both well again")
    scene.capture("1-dead-instance-after", pages=(OVERVIEW,))


def lying_readiness(scene: Scene) -> None:
    """The process behind a model dies; Triton goes on calling the model ready."""
    stubs_of(scene.tidegate, "echo")[0].send_signal(signal.SIGKILL)

    def is_out() -> bool:
        first = next(one for one in scene.tidegate.instances() if one["name"] == FIRST)
        return bool(first["engines"]["echo"]["fitness"] not in ("fit", "unprobed"))

    wait_until(is_out, what="echo is out there")
    show = (("fleet", "show", FIRST), ("engines",))
    pages = (OVERVIEW, f"/dashboard/instances/{FIRST}")
    scene.capture("2-lying-readiness", pages=pages, commands=show)
    wait_until(lambda: not is_out(), timeout_s=120, what="echo is mended")
    scene.capture("2-lying-readiness-after", pages=pages, commands=show)


def bad_canary(scene: Scene) -> None:
    """A release that fails a share of what it is asked."""
    steering = Steering(scene.tidegate.url)
    rollout = steering.start(FAILING, steps_percent=[10, 50, 100], min_step_s=5, min_samples=50)
    steering.wait_for(rollout, "rolled_back", timeout_s=240)
    scene.capture(
        "3-bad-canary",
        pages=(OVERVIEW, f"/dashboard/engines/{ENGINE}"),
        commands=(("rollout", "show", rollout), ("releases", ENGINE), ("audit",)),
    )


def overload(scene: Scene) -> None:
    """Five times as many requests as the fleet can answer."""
    per_s = 2 * 5 * LIMITED.capacity_per_s
    asking = photographing(LIMITED.name, small_photo(), priority=3)
    with steady_load(scene.tidegate.grpc, Outcome(), asking=asking, per_s=per_s):
        scene.wait_for_alert("TidegateRequestsFailFast")
        scene.capture(
            "4-overload",
            pages=(OVERVIEW, f"/dashboard/engines/{LIMITED.name}"),
            commands=(("engines",),),
        )


def full_queue(scene: Scene) -> None:
    """More jobs than are done, until no more are taken."""
    times_slow = 20.0
    servers = [FIRST, SECOND]
    with ordered(scene.tidegate, LIMITED.name, "slow", *servers, times=times_slow):
        with httpx.Client(base_url=scene.tidegate.url, timeout=30) as client:
            while (answer := _submit(client)).is_success:
                continue
        (scene.folder / "5-full-queue-refusal.json").write_text(json.dumps(answer.json(), indent=2))
        commands = (("jobs", "figures"), ("jobs", "list", "--limit", "5"))
        scene.capture("5-full-queue", pages=(OVERVIEW, JOBS), commands=commands)
    wait_until(lambda: _waiting(scene) == 0, timeout_s=300, what="the queue is empty")
    scene.capture("5-full-queue-after", pages=(JOBS,), commands=(("jobs", "figures"),))


def broker_gone(scene: Scene) -> None:
    """RabbitMQ is stopped, and started again."""
    scene.rabbitmq.stop()
    scene.wait_for_alert("TidegateQueueAway")
    with httpx.Client(base_url=scene.tidegate.url, timeout=30) as client:
        refusal = _submit(client)
    (scene.folder / "6-broker-gone-refusal.json").write_text(json.dumps(refusal.json(), indent=2))
    scene.capture("6-broker-gone", pages=(OVERVIEW, JOBS), commands=(("jobs", "figures"),))
    scene.rabbitmq.start()
    scene.wait_for_alert("TidegateQueueAway", is_over=True)
    wait_until(lambda: _waiting(scene) == 0, timeout_s=120, what="the job is done after all")
    scene.capture("6-broker-gone-after", pages=(OVERVIEW, JOBS), commands=(("jobs", "figures"),))


def _submit(client: httpx.Client) -> httpx.Response:
    return client.post(
        "/api/v1/orchestrator/detect",
        files={"photo": ("photo.jpg", small_photo())},
        data={"detection_types": LIMITED.name, "priority": "low"},
        headers={"Prefer": "respond-async"},
    )


def _waiting(scene: Scene) -> int:
    states = scene.tidegate.get("/api/v1/jobs/figures")["states"]
    return int(states.get("queued", 0)) + int(states.get("processing", 0))


INCIDENTS: dict[str, Callable[[Scene], None]] = {
    "dead-instance": dead_instance,
    "lying-readiness": lying_readiness,
    "bad-canary": bad_canary,
    "overload": overload,
    "full-queue": full_queue,
    "broker-gone": broker_gone,
}


@contextmanager
def running(folder: Path, rabbitmq: RabbitmqServer) -> Iterator[RunningTidegate]:
    """``steady`` with its releases, ``echo``, and an engine that is full at 40 requests/s."""
    repository = write_repository(folder / "models")
    for model in ECHO_MODELS.iterdir():
        (repository / model.name).symlink_to(model)
    add_staged(repository, LIMITED)
    settings = {
        "queue.kind": "rabbitmq",
        "queue.url": rabbitmq.url(),
        "jobs.max_waiting": MOST_WAITING,
        "jobs.concurrency": 2,
    }
    tidegate = RunningTidegate(folder / "run", repository, 2, options_of(settings))
    tidegate.start()
    try:
        tidegate.wait_ready()
        calm(tidegate)
        yield tidegate
    finally:
        tidegate.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--only", default="", help="incidents with one of these words in their name"
    )
    parser.add_argument("--to", type=Path, default=Path("incidents"), help="where it is written")
    options = parser.parse_args()
    words = options.only.split(",")
    wanted = [name for name in INCIDENTS if any(word in name for word in words)]
    programs = find_programs()
    if not wanted or programs is None:
        sys.exit("no such incident" if programs else "RabbitMQ is missing here")
    options.to.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-walk-")))
        rabbitmq = RabbitmqServer(programs)
        stack.callback(rabbitmq.remove)
        rabbitmq.start()
        tidegate = stack.enter_context(running(folder, rabbitmq))
        (folder / "prometheus").mkdir()
        prometheus = PrometheusServer(folder / "prometheus", [f"127.0.0.1:{tidegate.http_port}"])
        stack.callback(prometheus.stop)
        prometheus.start()
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.callback(browser.close)
        scene = Scene(tidegate, rabbitmq, prometheus, browser, options.to)
        small = partial(photographing, photo=small_photo())
        for asking, per_s in ((echoing, 20), (scoring(Answers()), 40), (small(LIMITED.name), 5)):
            load = steady_load(tidegate.grpc, Outcome(), asking=asking, per_s=per_s)
            stack.enter_context(load)
        time.sleep(5)  # so that there is something to see of the time before
        for name in wanted:
            print(name, file=sys.stderr, flush=True)
            INCIDENTS[name](scene)


if __name__ == "__main__":
    main()

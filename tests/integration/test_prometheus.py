"""A real Prometheus scrapes a real Tidegate by the configuration that is shipped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from control_plane.bootstrap.rollouts import make_gates
from control_plane.core.rollout import Plan, Rollout, Verdict
from control_plane.settings import Settings
from tests.integration.photos import photo_of
from tests.integration.running import RunningTidegate, wait_until
from tests.servers.fixtures import skip_without
from tests.servers.prometheus import MISSING, PrometheusServer, has_prometheus
from tests.unit.deploy.monitoring import TRITON, expressions, known, rules

pytestmark = pytest.mark.triton

FILLED_IN = {"$engine": ".*", "$instance": ".*"}
RATIOS = (
    "engine:tidegate_request_failures:ratio_rate5m",
    "engine:tidegate_request_slow:ratio_rate5m",
)
# What there is only while something is wrong or waits, a rollout is under way, or with a GPU, a
# cache or many samples, which the Tidegate of these tests has not.
AT_TIMES = (
    *("_failures:rate5m", "failure_total", "panic", "pending"),
    *("rollout", "gpu_", "cache", "drift"),
)
ROLLOUT = Rollout("r-1", "damage", "0.9.0", "1.0.0", Plan.direct())
GATES = {
    "answered": (
        'sum(rate(tidegate_requests_total{engine="{engine}",release="{release}",'
        'outcome="success"}[5m]))',
        "result > 0",
    ),
    "worse": ('sum(engine_release:tidegate_requests:rate5m{engine="{engine}"})', "result < 0"),
    "unheard": ("sum(corrections_total)", "result < 1"),
}


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, tidegate: RunningTidegate, engines: tuple[str, ...]
) -> Iterator[PrometheusServer]:
    """It has seen requests of each engine come to their end."""
    skip_without(has_prometheus(), MISSING)
    server = PrometheusServer(
        tmp_path_factory.mktemp("prometheus"), [f"127.0.0.1:{tidegate.http_port}"]
    )
    try:
        server.start()
        wait_until(lambda: server.query("tidegate_is_leader == 1"), what="it was scraped")
        ask_until(tidegate, lambda: not unasked(server, engines), what="rates of all engines")
        yield server
    finally:
        server.stop()


def ask_until(tidegate: RunningTidegate, condition: Callable[[], bool], *, what: str) -> None:
    """Asks all engines again and again: a rate needs two scrapes, and something between them."""

    def asked() -> bool:
        assert tidegate.detect(photo_of("damage")).is_success
        return condition()

    wait_until(asked, what=what)


def unasked(server: PrometheusServer, engines: tuple[str, ...]) -> set[tuple[str, str]]:
    """The engines that a rule says nothing of yet."""
    return {
        (rule, engine)
        for rule in RATIOS
        for engine in engines
        if not server.query(f'{rule}{{engine="{engine}"}} >= 0')
    }


def silent_panels(server: PrometheusServer) -> list[str]:
    """The expressions of panels that have nothing to show though all is well. Asks all others."""
    silent = []
    for one in expressions():
        text = one.text
        for variable, value in FILLED_IN.items():
            text = text.replace(variable, value)
        if not server.query(text) and one.legend and not any(word in text for word in AT_TIMES):
            silent.append(text)
    return silent


def test_each_rule_is_loaded_and_evaluated_without_error(prometheus: PrometheusServer) -> None:
    def evaluated() -> list[dict[str, object]]:
        found = prometheus.rules()
        return [] if any(rule["health"] == "unknown" for rule in found) else found

    found = wait_until(evaluated, what="all rules were evaluated")
    assert {rule["name"] for rule in found} == {
        rule[kind] for kind in ("record", "alert") for rule in rules(kind)
    }
    assert [rule["lastError"] for rule in found if rule["health"] != "ok"] == []


def test_the_expressions_of_rules_and_dashboards_can_be_asked(
    prometheus: PrometheusServer, tidegate: RunningTidegate
) -> None:
    left: list[str] = []

    def all_speak() -> bool:
        left[:] = silent_panels(prometheus)
        return not left

    try:
        ask_until(tidegate, all_speak, what="every panel has something to show")
    except AssertionError:
        assert left == []
        raise


def test_an_instance_is_a_triton_and_the_control_plane_stands_beside_it(
    prometheus: PrometheusServer, tidegate: RunningTidegate
) -> None:
    plane = f"127.0.0.1:{tidegate.http_port}"
    healths = prometheus.query("tidegate_instance_health")
    assert {one["metric"]["instance"] for one in healths} == set(tidegate.triton_urls)
    everything = prometheus.query('{job="tidegate"}')
    assert {one["metric"]["plane"] for one in everything} == {plane}
    assert prometheus.query('{exported_instance!=""}') == []


def test_requests_are_counted_by_engine_and_release(
    prometheus: PrometheusServer, engines: tuple[str, ...]
) -> None:
    asked = prometheus.query("engine_release:tidegate_requests:rate5m > 0")
    assert {one["metric"]["engine"] for one in asked} >= set(engines)
    quick = prometheus.query(
        "histogram_quantile(0.5, sum by (engine, le)"
        " (engine_release_le:tidegate_request_duration_seconds_bucket:rate5m))"
    )
    assert all(0 < float(one["value"][1]) < 10 for one in quick if one["metric"]["engine"])


def test_what_is_known_of_the_labels_is_so(prometheus: PrometheusServer) -> None:
    labels = known()
    for name in TRITON:
        assert prometheus.query(name), f"no Triton has {name}"
    for name in sorted(labels):
        for one in prometheus.query(name):
            # The target's own, where a series has none.
            had = set(one["metric"]) - {"__name__", "instance"}
            assert had <= labels[name], name


async def test_a_rollout_is_held_to_what_prometheus_says(prometheus: PrometheusServer) -> None:
    queries = [
        {"name": name, "query": query, "condition": condition, "failures": 1}
        for name, (query, condition) in GATES.items()
    ]
    settings = Settings.model_validate(
        {"analysis": {"prometheus": {"url": prometheus.url, "queries": queries}}}
    )
    async with AsyncExitStack() as stack:
        gates = await make_gates(settings, stack)
        assert gates is not None
        async with asyncio.timeout(20):
            while any("not asked yet" in found.words for found in gates.look(ROLLOUT)):  # noqa: ASYNC110 -- a gate tells nobody
                await asyncio.sleep(0.02)
        figures = [found.figures for found in gates.look(ROLLOUT)]
    assert {one.metric: one.verdict for one in figures} == {
        "query:answered": Verdict.NOT_WORSE,
        "query:worse": Verdict.WORSE,
        "query:unheard": Verdict.ERROR,
    }

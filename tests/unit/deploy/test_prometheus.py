"""What promtool says of deploy/prometheus, and what each alert has to tell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.fixtures import skip_without
from tests.servers.prometheus import MISSING, has_prometheus
from tests.unit.deploy.monitoring import (
    DASHBOARDS,
    PROMETHEUS,
    ROOT,
    RULE_TESTS,
    expressions,
    rules,
)

ALERTS = rules("alert")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
# What Grafana fills in.
FILLED_IN = {"$engine": "damage", "$instance": "triton-0"}


def promtool(*words: str) -> str:
    """What it says; AssertionError where it does not end well."""
    skip_without(has_prometheus(), MISSING)
    done = subprocess.run(
        ["promtool", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def anchors_of(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    titles = [title.lower() for title in HEADING.findall(text)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def fired_in(test: dict[str, Any]) -> set[str]:
    """The alerts that a test wants to see firing."""
    wanted = [
        sample["labels"] for asked in test["promql_expr_test"] for sample in asked["exp_samples"]
    ]
    return {name for labels in wanted for name in re.findall(r'alertname="(\w+)"', labels)}


def test_configuration_and_rules_are_right() -> None:
    said = promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert "2 rule files found" in said


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    promtool("test", "rules", str(file))


def test_the_panels_of_the_dashboards_parse(tmp_path: Path) -> None:
    asked: list[dict[str, str]] = []
    for one in expressions():
        text = one.text
        for variable, value in FILLED_IN.items():
            text = text.replace(variable, value)
        assert "$" not in text
        asked.append({"record": f"asked:number:{len(asked)}", "expr": text})
    assert len(asked) > len(DASHBOARDS) + len(ALERTS)
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))
    promtool("check", "rules", "--lint-fatal", str(file))


def test_each_alert_is_seen_firing_and_silence_is_tested_in_each_file() -> None:
    tests = [yaml.safe_load(file.read_text())["tests"] for file in RULE_TESTS]
    seen = {name for file in tests for test in file for name in fired_in(test)}
    assert seen == {rule["alert"] for rule in ALERTS}
    for file in tests:
        assert any(not fired_in(test) for test in file)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    words = rule["annotations"]
    assert set(words) == {"summary", "description", "runbook_url"}
    document, _, anchor = words["runbook_url"].partition("#")
    assert anchor in anchors_of((ROOT / document).read_text())


def test_no_two_rules_have_one_name() -> None:
    names = [rule[kind] for kind in ("record", "alert") for rule in rules(kind)]
    assert len(set(names)) == len(names)


def test_headings_become_anchors() -> None:
    assert anchors_of("# A b\ntext\n### Nobody leads, or a-b") == {"a-b", "nobody-leads-or-a-b"}

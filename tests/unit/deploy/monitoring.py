"""Rules and dashboards as they are shipped, and which metrics and labels their PromQL names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from control_plane.adapters.metrics.catalogue import FAMILIES
from control_plane.adapters.metrics.family import Kind

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))

# Given by the scrape configuration to every series.
OF_TARGET = frozenset({"job", "plane"})
OF_MODEL = frozenset({"instance", "model", "version", "engine", "release"})
# Triton's own, as they are shown on; a real one is asked for them by the integration test.
TRITON: Mapping[str, frozenset[str]] = {
    "tidegate_triton_inference_request_success_total": OF_MODEL,
    "tidegate_triton_inference_request_failure_total": OF_MODEL | {"reason"},
    "tidegate_triton_inference_count_total": OF_MODEL,
    "tidegate_triton_inference_exec_count_total": OF_MODEL,
    "tidegate_triton_inference_queue_duration_us_total": OF_MODEL,
    "tidegate_triton_inference_compute_infer_duration_us_total": OF_MODEL,
    "tidegate_triton_inference_pending_request_count": OF_MODEL,
}
# Not to be had of one on a CPU.
# https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md
TRITON_ON_GPU: Mapping[str, frozenset[str]] = {
    "tidegate_triton_gpu_utilization": frozenset({"instance", "gpu_uuid"}),
    "tidegate_triton_gpu_memory_used_bytes": frozenset({"instance", "gpu_uuid"}),
}
PROCESS = ("process_cpu_seconds_total", "process_resident_memory_bytes")

NAME = re.compile(r"(?<![\w:])((?:tidegate_|process_)\w+|[a-z_]+:\w+:\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING = re.compile(r"\b(by|on)\s*\(([^)]*)\)")
STRING = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Expression:
    """A PromQL expression and where it stands. legend: as Grafana has it."""

    where: str
    text: str
    legend: str = ""

    def selectors(self) -> list[tuple[str, frozenset[str]]]:
        """The metrics that are named, with the labels by which they are chosen."""
        found = NAME.findall(STRING.sub("", self.text))
        return [(name, frozenset(MATCHER.findall(matchers))) for name, matchers in found]

    def groupings(self, kind: str) -> set[str]:
        """The labels that ``by`` or ``on`` names."""
        found = [labels for word, labels in GROUPING.findall(self.text) if word == kind]
        return {label.strip() for labels in found for label in labels.split(",")}


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules with a ``record``, or with an ``alert``."""
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def dashboard(file: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(file.read_text())
    return parsed


def panels(file: Path) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard(file)["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[Expression]:
    for kind in ("record", "alert"):
        for rule in rules(kind):
            yield Expression(rule[kind], rule["expr"])
    for file in DASHBOARDS:
        for panel in panels(file):
            for target in panel["targets"]:
                where = f"{file.stem}: {panel['title']}"
                yield Expression(where, target["expr"], target["legendFormat"])


def known() -> dict[str, frozenset[str]]:
    """Every series that there is, and its labels."""
    found: dict[str, frozenset[str]] = {"up": frozenset({"instance"})}
    for family in FAMILIES:
        labels = frozenset(family.labels)
        if family.kind is Kind.HISTOGRAM:
            found[f"{family.name}_bucket"] = labels | {"le"}
            found[f"{family.name}_sum"] = found[f"{family.name}_count"] = labels
        else:
            found[family.name] = labels
    found.update(TRITON)
    found.update(TRITON_ON_GPU)
    found.update(dict.fromkeys(PROCESS, frozenset[str]()))
    found = {name: labels | OF_TARGET for name, labels in found.items()}
    for rule in rules("record"):
        found[rule["record"]] = frozenset(Expression("", rule["expr"]).groupings("by"))
    return found

"""Dashboards are whole: each panel has a unit, a legend and a place; what provides them fits."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.core.drift import LARGE, MODERATE
from tests.unit.deploy.monitoring import DASHBOARDS, GRAFANA, dashboard, panels, rules

PANELS = [(file.stem, panel) for file in DASHBOARDS for panel in panels(file)]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    """The squares of the grid that a panel covers."""
    place = panel["gridPos"]
    return {
        (x, y)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    }


@pytest.mark.parametrize(("file", "panel"), PANELS, ids=lambda each: str(each)[:40])
def test_a_panel_has_unit_legend_and_source(file: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert target["datasource"] == SOURCE
    names = [target["refId"] for target in panel["targets"]]
    assert len(set(names)) == len(names)
    # A stat shows the legend as the name of its value.
    options = panel["options"]
    assert options.get("textMode") == "value_and_name" or options["legend"]["showLegend"]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_panels_are_within_the_grid_and_beside_each_other(file: Path) -> None:
    placed = dashboard(file)["panels"]
    for panel in placed:
        assert all(0 <= x < 24 for x, _ in cells(panel)), panel["title"]
    for one, other in combinations(placed, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    assert len({panel["id"] for panel in placed}) == len(placed)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_variables_are_defined_and_used(file: Path) -> None:
    whole = file.read_text()
    variables = [one["name"] for one in dashboard(file)["templating"]["list"]]
    for name in variables:
        assert f"${name}" in whole or f"${{{name}}}" in whole
    for panel in panels(file):
        for target in panel["targets"]:
            used = {name for name in ("engine", "instance") if f"${name}" in target["expr"]}
            assert used <= set(variables)


def test_drift_is_shown_by_release_with_what_counts_as_far() -> None:
    (panel,) = (
        panel
        for _, panel in PANELS
        for target in panel["targets"]
        if "tidegate_confidence_drift" in target["expr"]
    )
    assert [one["legendFormat"] for one in panel["targets"]] == ["{{engine}} {{release}}"]
    shown = panel["fieldConfig"]["defaults"]
    assert [step["value"] for step in shown["thresholds"]["steps"]] == [None, MODERATE, LARGE]
    assert shown["custom"]["thresholdsStyle"]["mode"] == "line"
    (alert,) = (rule for rule in rules("alert") if rule["alert"] == "TidegateConfidenceDrifts")
    assert alert["expr"].endswith(f" > {LARGE:g}")


def test_the_dashboards_are_told_apart_and_provided() -> None:
    found = [dashboard(file) for file in DASHBOARDS]
    assert [one["uid"] for one in found] == [file.stem for file in DASHBOARDS]
    assert len({one["title"] for one in found}) == len(found) == 3
    (provider,) = provided("dashboards/tidegate.yml")["providers"]
    assert provider["type"] == "file"
    (source,) = provided("datasources/prometheus.yml")["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)


def provided(name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / name).read_text())
    return parsed

"""The API's own description: complete, sound, and readable without the internet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from control_plane.rest_api import job_schemas, schemas
from control_plane.rest_api.fleet_schemas import ActBody
from control_plane.rest_api.rollout_schemas import CommandBody, RollBackBody, StartBody
from tests.unit.rest_api.fakes import Edge


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    async with Edge().client() as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        assert "//" not in re.sub(r"<!doctype.*?>", "", page.text)
        links = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert len(links) == 3
        for link in links:
            asset = await client.get(link)
            assert asset.status_code == 200
            assert asset.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        # Nothing inline: the policy would refuse it.
        assert not re.search(r"<script>|<style>| on\w+=", page.text)
        missing = await client.get("/docs/static/none.js")
        assert missing.status_code == 404


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_the_document_is_whole() -> None:
    async with Edge().client() as client:
        document = (await client.get("/openapi.json")).json()
        again = (await client.get("/openapi.json")).json()
    assert document == again
    assert document["info"]["version"] == "0.1.0"
    assert {
        "/api/v1/orchestrator/detect",
        "/api/v1/orchestrator/health",
        "/api/v1/orchestrator/models",
        "/api/v1/engines",
        "/api/v1/engines/{engine}/releases",
        "/api/v1/registry/changed",
        "/api/v1/fleet",
        "/api/v1/fleet/{instance}",
        "/api/v1/fleet/{instance}/{action}",
        "/api/v1/rollouts",
        "/api/v1/rollouts/{rollout}",
        "/api/v1/rollouts/{rollout}/evidence",
        "/api/v1/rollouts/{rollout}/{action}",
        "/api/v1/engines/{engine}/rollback",
        "/api/v1/audit",
        "/api/v1/log-level",
        "/api/v1/traces",
        "/api/v1/traces/{trace_id}",
        "/api/v1/orchestrator/status/{request_id}",
        "/api/v1/orchestrator/status/{request_id}/events",
        "/api/v1/jobs",
        "/api/v1/jobs/figures",
        "/api/v1/jobs/{job}",
        "/api/v1/jobs/{action}",
        "/api/v1/jobs/{job}/{action}",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/orchestrator/metrics",
        "/api/v1/engines/{engine}/series",
        "/api/v1/engines/{engine}/accuracy",
        "/api/v1/feedback",
    } == set(document["paths"])
    for reference in references(document):
        kind, name = reference.removeprefix("#/").rsplit("/", 1)
        assert kind == "components/schemas"
        assert name in document["components"]["schemas"]
    detect = document["paths"]["/api/v1/orchestrator/detect"]["post"]
    assert set(detect["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert {"200", "202", "400", "404", "408", "413", "415", "422", "502", "503", "504"} <= set(
        detect["responses"]
    )


def test_the_examples_keep_to_their_schemas() -> None:
    for model in (
        *(schemas.Detection, schemas.Problem, schemas.DetectBody, ActBody),
        *(StartBody, CommandBody, RollBackBody),
        *(job_schemas.ActBody, job_schemas.ActOnManyBody),
    ):
        model.model_validate_json(json.dumps(model.model_json_schema()["example"]))

"""``/metrics``: what is rendered is what is answered, as text."""

from __future__ import annotations

from tests.unit.rest_api.fakes import Edge


async def test_metrics_are_prometheus_text() -> None:
    edge = Edge()
    async with edge.client() as client:
        response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.content == edge.metrics
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"

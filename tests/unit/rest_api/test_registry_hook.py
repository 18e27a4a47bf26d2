"""The registry's webhook: it hastens, whatever it says."""

from __future__ import annotations

import pytest

from control_plane.errors import ErrorCode
from tests.unit.rest_api.fakes import Edge, check_problem

HOOK = "/api/v1/registry/changed"


@pytest.mark.parametrize("body", [{}, {"entity": "model_version_alias", "action": "created"}, [1]])
async def test_the_registry_is_asked_now(body: object) -> None:
    edge = Edge()
    async with edge.client() as client:
        response = await client.post(HOOK, json=body)
    assert (response.status_code, response.json()) == (202, {"status": "asked"})
    assert edge.hastened == 1


async def test_what_does_not_say_that_it_is_json_is_refused() -> None:
    edge = Edge()
    async with edge.client() as client:
        response = await client.post(HOOK, content=b"x", headers={"content-type": "text/plain"})
    check_problem(response, 415, ErrorCode.INVALID_ARGUMENT, "Content-Type")
    assert edge.hastened == 0

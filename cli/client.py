"""Talks to the control plane's REST API and turns every bad ending into a Refused."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.failure import UNREACHABLE, Refused
from cli.options import DEFAULT_URL

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
LOOPBACK = ("127.", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane by its address. token: sent as bearer when there is one."""

    url: str
    token: str | None = None

    def get(
        self, path: str, *, accept_status: tuple[int, ...] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> dict[str, Any]:
        """What GET ``path`` answers. Raises Refused.

        accept_status: statuses of 400 and above whose body is an answer all the same.
        """
        return self._ask("GET", path, None, accept_status=accept_status, timeout_s=timeout_s)

    def post(
        self, path: str, body: dict[str, Any], *, timeout_s: float = READ_TIMEOUT_S
    ) -> dict[str, Any]:
        """What POST ``path`` with a JSON body answers. Raises Refused."""
        return self._ask("POST", path, body, accept_status=(), timeout_s=timeout_s)

    def put(
        self, path: str, body: dict[str, Any], *, timeout_s: float = READ_TIMEOUT_S
    ) -> dict[str, Any]:
        """What PUT ``path`` with a JSON body answers. Raises Refused."""
        return self._ask("PUT", path, body, accept_status=(), timeout_s=timeout_s)

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        *,
        accept_status: tuple[int, ...],
        timeout_s: float,
    ) -> dict[str, Any]:
        import httpx

        correlation_id = str(uuid.uuid4())
        with httpx.Client(**self.client_options(timeout_s)) as client:
            try:
                response = client.request(
                    method, path, json=body, headers={"x-correlation-id": correlation_id}
                )
            except httpx.HTTPError as error:
                raise self.refusal_of(error, correlation_id, timeout_s) from None
        return self.answer_of(response, correlation_id, accept_status=accept_status)

    def client_options(self, timeout_s: float) -> dict[str, Any]:
        """Arguments for httpx's clients, of either kind."""
        import httpx

        headers = {"accept": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        host = self.url.partition("://")[2]
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            # A proxy of the environment cannot know this machine's own loopback.
            "trust_env": not host.startswith(LOOPBACK),
        }

    def answer_of(
        self,
        response: httpx.Response,
        correlation_id: str,
        *,
        accept_status: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """The JSON object of a good response. Raises Refused for any other."""
        correlation_id = response.headers.get("x-correlation-id", correlation_id)
        body = json_object(response)
        if response.is_success or response.status_code in accept_status:
            if body is not None and not _is_problem(response):
                return body
            if response.is_success:
                raise Refused(
                    f"{self.url} does not answer as a Tidegate control plane does",
                    code="unexpected_answer",
                    hint="is --url right?",
                )
        refusal = _refusal_of_problem(response, body or {}, correlation_id)
        if refusal.request_id is not None:
            # Who tries again without a key has a second job; this one goes on by itself.
            where = "" if self.url == DEFAULT_URL else f" --url {self.url}"
            refusal.hint = f"follow it: tidegate jobs watch {refusal.request_id}{where}"
        raise refusal

    def refusal_of(self, error: Exception, correlation_id: str, timeout_s: float) -> Refused:
        """What a person should read when no response came."""
        import httpx

        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return Refused(
                f"cannot reach the control plane at {self.url}: {_reason(error)}",
                code=UNREACHABLE,
                hint="is it running? tidegate up",
            )
        if isinstance(error, httpx.TimeoutException):
            return Refused(
                f"no answer from {self.url} within {timeout_s:g} s",
                code="deadline_exceeded",
                correlation_id=correlation_id,
            )
        return Refused(
            f"the connection to {self.url} broke: {_reason(error)}",
            code="backend_unavailable",
            correlation_id=correlation_id,
        )


def _reason(error: BaseException) -> str:
    # httpx wraps "All connection attempts failed" around what the system said.
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            # asyncio puts its own words into strerror; the name service numbers below zero.
            number = seen.errno or 0
            return (os.strerror(number) if number > 0 else seen.strerror).lower()
        seen = seen.__cause__ or seen.__context__
    return str(error) or type(error).__name__


def _is_problem(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("application/problem+json")


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """All that is printed comes in here, the words of Tritons too: none commands a terminal."""
    try:
        body = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return _printable(body) if isinstance(body, dict) else None


def _printable(value: Any) -> Any:
    from control_plane.core.printable import printable

    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


def _refusal_of_problem(
    response: httpx.Response, problem: dict[str, Any], correlation_id: str
) -> Refused:
    text: Callable[[str], str | None] = lambda key: (  # noqa: E731
        str(problem[key]) if problem.get(key) else None
    )
    detail = text("detail") or text("title") or f"HTTP status {response.status_code}"
    retry_after_s = problem.get("retry_after_s")
    hint = f"try again in {retry_after_s} s" if retry_after_s else None
    if response.status_code in {401, 403} and not problem.get("field"):
        hint = "set --token or TIDEGATE_TOKEN"
    return Refused(
        detail,
        code=text("code") or f"http_{response.status_code}",
        field=text("field"),
        hint=hint,
        correlation_id=text("correlation_id") or correlation_id,
        request_id=text("request_id"),
    )

"""A Triton's ``/metrics`` over HTTP: bounded in bytes and in time, parsed into values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise

import httpx
from prometheus_client.parser import text_string_to_metric_families

from control_plane.adapters.http_transport import LastingTransport
from control_plane.core.triton_metrics import MetricFamily, Sample
from control_plane.ports import ScrapeFailed

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""A page of seven models has 31 KB."""

HEADERS = {"Accept": "text/plain", "Accept-Encoding": "identity"}


def open_client(instances: int) -> httpx.AsyncClient:
    """One client for all instances: each keeps its connection, and no proxy lies between."""
    # Two may ask one instance at a time: for what waits there, and for all there is.
    limits = httpx.Limits(max_connections=2 * instances, max_keepalive_connections=instances)
    return httpx.AsyncClient(
        transport=LastingTransport(limits),
        trust_env=False,
        timeout=None,  # noqa: S113  each scrape has a bound over the whole of it
        headers=HEADERS,
    )


class TritonMetrics:
    """Implements InstanceMetrics for the page at ``url``.

    turns: what is held while a page is read; where many pages come at once, the same for all.
    """

    def __init__(
        self, url: str, client: httpx.AsyncClient, turns: asyncio.Lock | None = None
    ) -> None:
        self._url = url
        self._client = client
        self._turns = turns or asyncio.Lock()

    async def scrape(self, *prefixes: str, timeout_s: float) -> tuple[MetricFamily, ...]:
        try:
            async with asyncio.timeout(timeout_s):
                page = await self._fetch()
        except TimeoutError:
            raise ScrapeFailed(f"no whole answer within {timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ScrapeFailed(str(error) or type(error).__name__) from None
        # The rest goes before it is parsed: a whole page takes 10 ms.
        comments = (f"# {kind} {prefix}" for prefix in prefixes for kind in ("HELP", "TYPE"))
        starts = (*prefixes, *comments)
        lines = [line for line in page.split("\n") if line.startswith(starts)]
        families: list[MetricFamily] = []
        try:
            async with self._turns:
                for text in _by_family(lines):
                    families += _parse(text)
                    await asyncio.sleep(0)  # requests have their turn in between
        except (ValueError, LookupError) as error:
            raise ScrapeFailed(f"no Prometheus text: {error}") from None
        return tuple(families)

    async def _fetch(self) -> str:
        async with self._client.stream("GET", self._url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ScrapeFailed(f"HTTP status {answer.status_code}")
            page = bytearray()
            # As it comes: what was packed after all is no text, and is not unpacked.
            async for part in answer.aiter_raw():
                page += part
                if len(page) > MAX_PAGE_BYTES:
                    raise ScrapeFailed(f"more than {MAX_PAGE_BYTES} bytes")
        return page.decode(errors="replace")


def _by_family(lines: Sequence[str]) -> Iterator[str]:
    """The lines of one family at a time: each begins with what it means."""
    begins = [number for number, line in enumerate(lines) if line.startswith("# HELP")]
    edges = [0, *begins, len(lines)]
    return ("\n".join(lines[first:end]) for first, end in pairwise(edges) if first < end)


def _parse(text: str) -> Iterator[MetricFamily]:
    for family in text_string_to_metric_families(text):
        samples = tuple(Sample(each.name, each.labels, each.value) for each in family.samples)
        yield MetricFamily(family.name, family.type, family.documentation, samples)

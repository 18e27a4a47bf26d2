"""ModelStreamInfer through the gateway: one stream from the caller, one to each release.

The first message for a release picks an instance and reserves it for the life of the
stream, so a stateful sequence stays where its state is. Answers come back as they are
ready, in the order of each release's own stream. A message that cannot be routed is
answered inside the stream, as Triton does; a stream to an instance that breaks ends the
caller's stream, because nobody can know which of its answers were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from control_plane.core.catalogue import Release
from control_plane.core.outcomes import classify
from control_plane.core.wire import (
    RequestHead,
    has_stream_response,
    read_request_head,
    stream_target_suffix,
    target_suffix,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.kserve import write_stream_error
from control_plane.ports import CallFailed
from control_plane.services.fleet import Fleet, Instance

WAITING_MESSAGES = 16
"""Messages held for one instance's stream, and answers held for the caller."""

MAX_RELEASES = 16
"""Releases one stream may talk to at once."""

Choose = Callable[[str, str, str], Release]


class _End:
    """What marks the end in a queue of messages."""


_END = _End()
Item = bytes | Exception | _End


@dataclass(slots=True)
class _Leg:
    """The stream to the instance that serves one release."""

    instance: Instance
    release: Release
    inbox: asyncio.Queue[bytes | _End] = field(
        default_factory=lambda: asyncio.Queue(WAITING_MESSAGES)
    )

    async def messages(self) -> AsyncIterator[bytes]:
        while not isinstance(message := await self.inbox.get(), _End):
            yield message


class InferStream:
    """One caller's stream. ``answers`` ends when the caller's messages and all answers have."""

    def __init__(self, *, choose: Choose, fleet: Fleet, routing_key: str) -> None:
        self._choose = choose
        self._fleet = fleet
        self._routing_key = routing_key
        self._legs: dict[str, _Leg] = {}
        self._answers: asyncio.Queue[Item] = asyncio.Queue(WAITING_MESSAGES)
        self._pumps: list[asyncio.Task[None]] = []
        self._reservations = ExitStack()

    async def answers(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Raises ControlPlaneError when an instance's stream breaks."""
        reader = asyncio.create_task(self._read(messages))
        try:
            while not isinstance(item := await self._answers.get(), _End):
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            for task in (reader, *self._pumps):
                task.cancel()
            await asyncio.gather(reader, *self._pumps, return_exceptions=True)
            self._reservations.close()

    async def _read(self, messages: AsyncIterator[bytes]) -> None:
        try:
            await self._forward(messages)
            await asyncio.gather(*self._pumps)
            await self._answers.put(_END)
        except Exception as error:
            await self._answers.put(error)

    async def _forward(self, messages: AsyncIterator[bytes]) -> None:
        async for message in messages:
            head: RequestHead | None = None
            try:
                head = read_request_head(message)
                leg = self._leg(head)
            except ControlPlaneError as error:
                request_id = head.request_id if head else ""
                await self._answers.put(write_stream_error(error.message, request_id))
                continue
            release = leg.release
            suffix = target_suffix(release.model_name, release.model_version)
            await leg.inbox.put(message + suffix)
        for leg in self._legs.values():
            await leg.inbox.put(_END)

    def _leg(self, head: RequestHead) -> _Leg:
        release = self._choose(
            head.model_name,
            head.model_version,
            self._routing_key or head.sequence or head.request_id,
        )
        leg = self._legs.get(release.model_name)
        if leg is None:
            if len(self._legs) >= MAX_RELEASES:
                raise ControlPlaneError(
                    ErrorCode.INVALID_ARGUMENT,
                    f"one stream may ask at most {MAX_RELEASES} releases",
                    field="model_name",
                )
            instance = self._reservations.enter_context(self._fleet.reserve(release))
            leg = _Leg(instance, release)
            self._legs[release.model_name] = leg
            self._pumps.append(asyncio.create_task(self._pump(leg)))
        return leg

    async def _pump(self, leg: _Leg) -> None:
        release = leg.release
        suffix = stream_target_suffix(release.engine, release.version)
        try:
            async for answer in leg.instance.calls.stream(leg.messages()):
                await self._answers.put(answer + suffix if has_stream_response(answer) else answer)
        except CallFailed as failed:
            reason = f"the stream to instance {leg.instance.name!r} broke: {failed.failure.message}"
            await self._answers.put(ControlPlaneError(classify(failed.failure), reason))

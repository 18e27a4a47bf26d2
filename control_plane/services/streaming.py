"""ModelStreamInfer through the gateway: one stream from the caller, one to each release.

The first message for a release picks an instance and reserves it for the life of the
stream, so a stateful sequence stays where its state is. Answers come back as they are
ready, in the order of each release's own stream. A message that cannot be routed is
answered inside the stream, as Triton does; a stream to an instance that breaks ends the
caller's stream, because nobody can know which of its answers were lost.

Streams are not admitted by measured latency: how long one stays open says nothing of how
busy its engine is, and what is in it has the instance's own pace, because messages wait in a
bounded inbox. What bounds them is the number of calls the gRPC edge takes at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from control_plane.core.catalogue import Release
from control_plane.core.identifiers import CORRELATION_ID
from control_plane.core.outcomes import MEANINGS, classify
from control_plane.core.tracing import SpanKind
from control_plane.core.wire import (
    MalformedMessage,
    RequestHead,
    has_stream_response,
    read_request_head,
    stream_target_suffix,
    target_suffix,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.kserve import reword_stream_error, write_stream_error
from control_plane.ports import CallFailed
from control_plane.services.byte_budget import ByteBudget
from control_plane.services.explaining import own_words
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Place
from control_plane.services.tracing import Traced, outgoing, span

WAITING_MESSAGES = 16
"""Messages held for one instance's stream, and answers held for the caller."""

MAX_RELEASES = 16
"""Releases one stream may talk to at once."""

STOP_PATIENCE_S = 0.1
"""What the caller had sent when the server stopped is taken for as long: it may be on its way."""

Choose = Callable[[str, str, str], Release]


class _End:
    """What marks the end in a queue of messages."""


_END = _End()
Item = bytes | Exception | _End


@dataclass(slots=True)
class _Leg:
    """The stream to the instance that serves one release.

    room: what the messages held for all instances share.
    is_drained: whether the instance has taken everything, the end included.
    asked, answered: messages to it, and from it.
    """

    place: Place
    release: Release
    room: ByteBudget
    is_drained: bool = False
    asked: int = 0
    answered: int = 0
    inbox: asyncio.Queue[bytes | _End] = field(
        default_factory=lambda: asyncio.Queue(WAITING_MESSAGES)
    )

    async def messages(self) -> AsyncIterator[bytes]:
        while not isinstance(message := await self.inbox.get(), _End):
            self.asked += 1
            yield message
            self.room.give_back(len(message))
        self.is_drained = True


class InferStream:
    """One caller's stream. ``answers`` ends when the caller's messages and all answers have.

    routing_key: the caller's own, for all its messages; "" leaves each to its sequence or id.
    correlation_id: goes along to the instances, and splits a message that has neither key.
    addition: bytes appended to every message, such as a priority.
    timeout_s: what remains of the caller's deadline; None when it gave none.
    idle_s: how long nothing may move either way before the stream is ended.
    stopping: set when the server takes no new work. What was taken is answered, and then the
        stream ends with SHUTTING_DOWN, unless its caller had ended it.
    max_held_bytes: what is held of the caller's messages, and as much again of the answers.
        Apart, because an instance may take no message before its answers are taken.
    """

    def __init__(
        self,
        *,
        choose: Choose,
        fleet: Fleet,
        routing_key: str,
        correlation_id: str,
        addition: bytes = b"",
        timeout_s: float | None = None,
        idle_s: float = 600.0,
        max_held_bytes: int = 64 * 1024 * 1024,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self._message_room = ByteBudget(max_held_bytes)
        self._answer_room = ByteBudget(max_held_bytes)
        loop = asyncio.get_running_loop()
        self._now_s = loop.time
        self._moved_at_s = loop.time()
        self._ends_at_s = None if timeout_s is None else loop.time() + timeout_s
        self._idle_s = idle_s
        self._is_waiting = False
        self._stopping = stopping or asyncio.Event()
        self._takes_until_s: float | None = None
        self._taking: asyncio.Timeout | None = None
        self._is_cut = False
        self._addition = addition
        self._choose = choose
        self._fleet = fleet
        self._routing_key = routing_key
        self._correlation_id = correlation_id
        self._legs: dict[str, _Leg] = {}
        self._answers: asyncio.Queue[Item] = asyncio.Queue(WAITING_MESSAGES)
        self._pumps: list[asyncio.Task[None]] = []
        self._places = ExitStack()

    @property
    def releases(self) -> tuple[str, ...]:
        """What was asked so far, as ``engine release``."""
        return tuple(f"{leg.release.engine} {leg.release.version}" for leg in self._legs.values())

    async def answers(self, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Raises ControlPlaneError when an instance's stream breaks, or nothing moves."""
        reader = asyncio.create_task(self._read(messages))
        caller = asyncio.current_task()
        watch = asyncio.create_task(self._watch_idleness(reader, caller))
        stop = asyncio.create_task(self._watch_stop())
        try:
            while not isinstance(item := await self._next(), _End):
                if isinstance(item, Exception):
                    raise item
                yield item
                self._answer_room.give_back(len(item))
        finally:
            watch.cancel()
            stop.cancel()
            await self._end(reader)

    async def _next(self) -> Item:
        self._moved_at_s = self._now_s()
        self._is_waiting = True
        try:
            return await self._answers.get()
        finally:
            self._is_waiting = False
            self._moved_at_s = self._now_s()

    async def _end(self, reader: asyncio.Task[None]) -> None:
        """Ends the streams to the instances and gives their places back. Safe to call again."""
        with self._places:
            for task in (reader, *self._pumps):
                task.cancel()
            await asyncio.gather(reader, *self._pumps, return_exceptions=True)

    async def _watch_idleness(
        self, reader: asyncio.Task[None], caller: asyncio.Task[Any] | None
    ) -> None:
        while (left_s := self._moved_at_s + self._idle_s - self._now_s()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)
        await self._end(reader)
        while not self._answers.empty():
            self._answers.get_nowait()
        self._answers.put_nowait(
            ControlPlaneError(
                ErrorCode.DEADLINE_EXCEEDED,
                f"nothing moved on the stream for {self._idle_s:g} s",
            )
        )
        if caller is not None and not self._is_waiting:
            caller.cancel()  # it does not take the answers it has; it would not take this one

    async def _read(self, messages: AsyncIterator[bytes]) -> None:
        try:
            await self._forward(messages)
            await asyncio.gather(*self._pumps)
            await self._answers.put(_shutting_down() if self._is_cut else _END)
        except Exception as error:
            await self._answers.put(error)

    async def _forward(self, messages: AsyncIterator[bytes]) -> None:
        async for message in self._taken(messages):
            self._moved_at_s = self._now_s()
            head: RequestHead | None = None
            try:
                head = read_request_head(message)
                leg = self._leg(head)
            except ControlPlaneError as error:
                request_id = head.request_id if head else ""
                await self._put_answer(write_stream_error(error.message, request_id))
                continue
            release = leg.release
            suffix = target_suffix(release.model_name, release.model_version)
            size = len(message) + len(self._addition) + len(suffix)
            await self._message_room.take(size)
            await leg.inbox.put(message + self._addition + suffix)
        for leg in self._legs.values():
            await leg.inbox.put(_END)

    async def _taken(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The caller's messages, until it ends or the server stops."""
        iterator = aiter(messages)
        while True:
            try:
                async with asyncio.timeout_at(self._takes_until_s) as self._taking:
                    message = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError:
                self._is_cut = True
                return
            finally:
                self._taking = None
            yield message

    async def _watch_stop(self) -> None:
        await self._stopping.wait()
        self._takes_until_s = self._now_s() + STOP_PATIENCE_S
        if self._taking is not None:
            self._taking.reschedule(self._takes_until_s)

    async def _put_answer(self, answer: bytes) -> None:
        await self._answer_room.take(len(answer))
        await self._answers.put(answer)

    def _leg(self, head: RequestHead) -> _Leg:
        release = self._choose(
            head.model_name,
            head.model_version,
            self._routing_key or head.sequence or head.request_id or self._correlation_id,
        )
        leg = self._legs.get(release.model_name)
        if leg is None:
            if len(self._legs) >= MAX_RELEASES:
                raise ControlPlaneError(
                    ErrorCode.INVALID_ARGUMENT,
                    f"one stream may ask at most {MAX_RELEASES} releases",
                    field="model_name",
                )
            place = self._fleet.reserve(release, sequence=head.sequence, is_stream=True)
            leg = _Leg(self._places.enter_context(place), release, self._message_room)
            self._legs[release.model_name] = leg
            self._pumps.append(asyncio.create_task(self._pump(leg)))
        return leg

    async def _pump(self, leg: _Leg) -> None:
        release = leg.release
        with span(
            "attempt",
            kind=SpanKind.CLIENT,
            engine=release.engine,
            release=release.version,
            instance=leg.place.instance.name,
        ) as traced:
            try:
                await self._exchange(leg, traced)
            finally:
                traced.put(requests=leg.asked, answers=leg.answered)

    async def _exchange(self, leg: _Leg, traced: Traced) -> None:
        """Whatever ends it is an answer: the caller waits for one, not for this task."""
        suffix = stream_target_suffix(leg.release.engine, leg.release.version)
        reword = partial(own_words, release=leg.release)
        try:
            timeout_s = None if self._ends_at_s is None else self._ends_at_s - self._now_s()
            metadata = ((CORRELATION_ID, self._correlation_id), *outgoing(only_if_sampled=True))
            stream = leg.place.instance.calls.stream(
                leg.messages(), timeout_s=timeout_s, metadata=metadata
            )
            async for raw in stream:
                leg.place.answered()
                leg.answered += 1
                answer = reword_stream_error(raw, reword)
                await self._put_answer(answer + suffix if has_stream_response(answer) else answer)
            if not leg.is_drained:
                code, reason = ErrorCode.BACKEND_UNAVAILABLE, "it ended before the caller's did"
                await self._break(traced, _broken(leg, code, reason))
        except CallFailed as failed:
            meaning = MEANINGS[classify(failed.failure, is_cut_short=self._ends_at_s is not None)]
            leg.place.settle(meaning.verdict)
            code = meaning.code or ErrorCode.INTERNAL
            await self._break(traced, _broken(leg, code, reword(failed.failure.message)))
        except MalformedMessage as error:
            await self._break(traced, _broken(leg, ErrorCode.BACKEND_FAULT, error.message))
        except Exception as error:
            await self._break(traced, error)

    async def _break(self, traced: Traced, error: Exception) -> None:
        traced.tell(error)
        await self._answers.put(error)


def _broken(leg: _Leg, code: ErrorCode, reason: str) -> ControlPlaneError:
    name = leg.place.instance.name
    return ControlPlaneError(code, f"the stream to instance {name!r} broke: {reason}")


def _shutting_down() -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.SHUTTING_DOWN, "shutting down; what was asked is answered")

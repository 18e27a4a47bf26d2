"""What reaches the outside world: opened in order, closed in the opposite one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.model_folder import ModelFolder
from control_plane.adapters.photos import PhotosByScheme
from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.adapters.queues.sql import SqlQueue
from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow import MlflowRegistry
from control_plane.adapters.stores import SqlStore, open_store
from control_plane.adapters.stores.jobs import SqlJobs
from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics
from control_plane.adapters.triton_metrics import open_client as open_metrics_client
from control_plane.adapters.uploads import FileUploads, S3Uploads
from control_plane.adapters.webhook import Webhook
from control_plane.bootstrap.cache import open_reuse
from control_plane.bootstrap.checks import metrics_urls
from control_plane.bootstrap.instances import make_rng
from control_plane.bootstrap.options import store_bounds
from control_plane.bootstrap.photos import open_photos, open_uploads
from control_plane.bootstrap.rollouts import make_gates
from control_plane.bootstrap.tracing import open_spans
from control_plane.ports import JobQueue, ResultSink
from control_plane.services.gates import Gates
from control_plane.services.result_cache import ResultReuse
from control_plane.settings import Settings

if TYPE_CHECKING:
    from control_plane.adapters.tracing.otlp import OtlpSink


@dataclass(frozen=True, slots=True)
class Outside:
    """By the instance's name where there is one for each. sink: None where nothing is sent;
    reuse: where no results are kept; spans: where no traces are sent."""

    store: SqlStore
    folder: ModelFolder
    registry: FileRegistry | MlflowRegistry
    tritons: Mapping[str, TritonInstance]
    metrics: Mapping[str, TritonMetrics]
    gates: Gates | None
    jobs: SqlJobs
    queue: JobQueue
    photos: PhotosByScheme
    uploads: FileUploads | S3Uploads
    sink: ResultSink | None
    reuse: ResultReuse | None
    spans: OtlpSink | None


async def open_state(settings: Settings, stack: AsyncExitStack) -> SqlStore:
    """Raises ConfigurationError, StoreUnavailable."""
    return await stack.enter_async_context(
        open_store(
            settings.store_location,
            timeout_s=settings.store.timeout_s,
            pool_size=settings.store.pool_size,
            bounds=store_bounds(settings),
        )
    )


async def open_outside(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    store: SqlStore,
    folder: ModelFolder,
    registry: FileRegistry | MlflowRegistry,
    instances: Mapping[str, str],
    with_tritons: bool,
) -> Outside:
    """instances: the gRPC address of each by its name. with_tritons: those of this machine too."""
    tritons = {}
    for name, url in instances.items():
        triton = TritonInstance(url, max_message_bytes=settings.grpc.max_message_bytes)
        stack.push_async_callback(triton.close)
        tritons[name] = triton
    urls = metrics_urls(settings, with_tritons=with_tritons)
    client = await stack.enter_async_context(open_metrics_client(len(urls)))
    turns = asyncio.Lock()
    return Outside(
        store=store,
        folder=folder,
        registry=registry,
        tritons=tritons,
        metrics={name: TritonMetrics(url, client, turns) for name, url in urls.items()},
        gates=await make_gates(settings, stack),
        jobs=SqlJobs(store.database),
        queue=await stack.enter_async_context(_make_queue(settings, store)),
        photos=await open_photos(settings, stack),
        uploads=await open_uploads(settings, stack, MonotonicClock()),
        sink=await _open_sink(settings, stack),
        reuse=await open_reuse(settings, stack, MonotonicClock()),
        spans=await open_spans(settings, stack),
    )


def _make_queue(settings: Settings, store: SqlStore) -> SqlQueue | RabbitmqQueue | SqsQueue:
    queue = settings.queue
    if queue.kind == "rabbitmq" and queue.url is not None:
        return RabbitmqQueue(
            RabbitmqOptions(
                url=queue.url.get_secret_value(),
                prefix=queue.prefix,
                prefetch=queue.prefetch + settings.jobs.concurrency,
                delivery_limit=queue.delivery_limit,
                longest_retry_s=settings.jobs.longest_retry_s,
                timeout_s=queue.timeout_s,
            ),
            make_rng(),
        )
    if queue.kind == "sqs":
        return SqsQueue(
            SqsOptions(
                prefix=queue.prefix,
                region=queue.region or None,
                endpoint_url=queue.endpoint_url or None,
                create=queue.create,
                prefetch=queue.prefetch + settings.jobs.concurrency,
                delivery_limit=queue.delivery_limit,
                visibility_s=queue.lease_s,
                timeout_s=queue.timeout_s,
            ),
            make_rng(),
        )
    return SqlQueue(store.database, lease_s=queue.lease_s, max_deliveries=queue.delivery_limit)


async def _open_sink(settings: Settings, stack: AsyncExitStack) -> ResultSink | None:
    results = settings.results
    if not results.is_sent:
        return None
    secret = results.webhook_secret
    return await stack.enter_async_context(
        Webhook(
            results.webhook_url,
            secret=None if secret is None else secret.get_secret_value(),
            timeout_s=results.timeout_s,
            connections=results.concurrency,
        )
    )

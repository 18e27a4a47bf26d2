"""What ``tidegate doctor`` says of what lies outside: queue, cache, S3, webhook, Prometheus,
collector of traces.

By the settings, so also while no control plane runs. It asks the least that tells whether the
thing is there and lets us in, for a few seconds at most, all side by side. Nothing is sent, made,
taken or changed, and what is said holds no secret.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli.checks import Check, Level

if TYPE_CHECKING:
    from pydantic import SecretStr

    from control_plane.settings import Settings

TIMEOUT_S = 8.0
"""Generous: AWS's client alone takes a second or two to be made."""
QUEUE, CACHE, S3, WEBHOOK, PROMETHEUS = "queue", "cache", "S3", "webhook", "Prometheus"
COLLECTOR = "collector"

HARMLESS = frozenset({CACHE, COLLECTOR})
"""Without it requests take longer or are seen by fewer, and none fails."""

Look = Callable[["Settings"], Awaitable[list[Check]]]


class Trouble(Exception):
    """Why it is not well, in words that hold no secret; and what mends it."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


def check_outside(settings: Settings) -> list[Check]:
    """Every service that the settings name."""
    _import(settings)
    return asyncio.run(_look(settings))


def _import(settings: Settings) -> None:
    """Before the clock runs: the clients take their time to be imported, and all at once."""
    modules = {
        "aio_pika": settings.queue.kind == "rabbitmq",
        "aiobotocore.session": settings.queue.kind == "sqs" or _has_s3(settings),
        "control_plane.bootstrap.photos": _has_s3(settings),
        "redis.asyncio": settings.cache.kind == "redis",
        "control_plane.adapters.prometheus": settings.analysis.prometheus.url is not None,
    }
    for module, is_needed in modules.items():
        if is_needed:
            import_module(module)


def _has_s3(settings: Settings) -> bool:
    return bool(settings.photos.buckets) or settings.uploads.place is not None


async def _look(settings: Settings) -> list[Check]:
    looks = [
        (QUEUE, _queue, settings.queue.kind != "sql"),
        (CACHE, _cache, settings.cache.kind == "redis"),
        (S3, _s3, _has_s3(settings)),
        (WEBHOOK, _webhook, settings.results.is_sent),
        (PROMETHEUS, _prometheus, settings.analysis.prometheus.url is not None),
        (COLLECTOR, _collector, bool(settings.tracing.endpoint)),
    ]
    wanted = [_bounded(name, look, settings) for name, look, is_named in looks if is_named]
    return [check for found in await asyncio.gather(*wanted) for check in found]


async def _bounded(name: str, look: Look, settings: Settings) -> list[Check]:
    from control_plane.core.redaction import without_secrets

    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await look(settings)
    except TimeoutError:
        detail = f"no answer within {TIMEOUT_S:g} s"
        remedy = "is it started, and open to this machine?"
    except Trouble as trouble:
        detail, remedy = trouble.detail, trouble.remedy
    except Exception as error:  # whatever a client raises: doctor says it and goes on
        detail = f"{type(error).__name__}: {error}"
        remedy = "is it started, open to this machine, and are its settings right?"
    words = " ".join(without_secrets(detail).split())[:300]
    return [Check(Level.WARN if name in HARMLESS else Level.FAIL, name, words, remedy)]


async def _queue(settings: Settings) -> list[Check]:
    return await (_rabbitmq if settings.queue.kind == "rabbitmq" else _sqs)(settings)


async def _rabbitmq(settings: Settings) -> list[Check]:
    import aio_pika
    import aiormq

    from control_plane.adapters.queues.rabbitmq_topology import Topology
    from control_plane.core.detections import Priority

    queue, url = settings.queue, _revealed(settings.queue.url)
    place = urlsplit(url).hostname
    try:
        connection = await aio_pika.connect(url, timeout=TIMEOUT_S)
    except aiormq.exceptions.ProbableAuthenticationError:
        raise Trouble(
            f"RabbitMQ at {place} refuses user or password",
            "mend queue.url, or give the user that password",
        ) from None
    topology = Topology(queue.prefix, queue.delivery_limit, settings.jobs.longest_retry_s)
    async with connection:
        missing = []
        for name in (*(topology.queue(priority) for priority in Priority), topology.dead):
            # A question about a queue that is not there closes the channel it was asked on.
            channel = await connection.channel()
            try:
                await channel.declare_queue(name, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                missing.append(name)
    if missing:
        detail = f"RabbitMQ at {place} answers; not there yet: {', '.join(missing)}"
        return [Check(Level.OK, QUEUE, f"{detail} (made at the first start)")]
    return [Check(Level.OK, QUEUE, f"RabbitMQ at {place} answers, and has the queues")]


async def _sqs(settings: Settings) -> list[Check]:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    from botocore.exceptions import ClientError

    from control_plane.core.detections import Priority

    queue = settings.queue
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
    missing = []
    async with get_session().create_client(
        "sqs",
        region_name=queue.region or None,
        endpoint_url=queue.endpoint_url or None,
        config=config,
    ) as client:
        for last in (*Priority, "dead"):
            name = f"{queue.prefix}-{last}"
            try:
                await client.get_queue_url(QueueName=name)
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", ""))
                if "NonExistentQueue" not in code and "QueueDoesNotExist" not in code:
                    remedy = "see to the credentials' right to sqs:GetQueueUrl"
                    raise Trouble(f"SQS refuses to name {name} ({code})", remedy) from None
                missing.append(name)
    if missing and not queue.create:
        remedy = "make them, or set queue.create"
        raise Trouble(f"SQS has no queue {', '.join(missing)}", remedy)
    made = f"; made at the first start: {', '.join(missing)}" if missing else ", and has the queues"
    return [Check(Level.OK, QUEUE, f"SQS answers{made}")]


async def _cache(settings: Settings) -> list[Check]:
    from redis.asyncio import Redis
    from redis.exceptions import AuthenticationError

    url = _revealed(settings.cache.url)
    place = urlsplit(url).hostname
    client = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        await client.ping()
    except AuthenticationError:
        remedy = "mend cache.url, or give the user that password"
        raise Trouble(f"Redis at {place} refuses user or password", remedy) from None
    except Exception as error:
        detail = f"Redis at {place} does not answer ({type(error).__name__})"
        remedy = "start it, or open it to this machine; requests go on without it"
        raise Trouble(detail, remedy) from None
    finally:
        await client.aclose()
    return [Check(Level.OK, CACHE, f"Redis at {place} answers")]


async def _s3(settings: Settings) -> list[Check]:
    from botocore.exceptions import ClientError

    from control_plane.adapters.s3.client import open_client, refused, transport_errors, unreached
    from control_plane.bootstrap.photos import s3_options

    place = settings.uploads.place
    buckets = [*settings.photos.buckets, *([place[0]] if place else [])]
    found = []
    async with open_client(s3_options(settings)) as client:
        for bucket in dict.fromkeys(buckets):
            try:
                await client.head_bucket(Bucket=bucket)
            except ClientError as error:
                trouble = refused(error, f"bucket {bucket}").message
                remedy = "see to the bucket's name, and to the rights of who asks (section s3)"
                found.append(Check(Level.FAIL, S3, trouble, remedy))
            except transport_errors() as error:
                raise Trouble(
                    unreached(error, f"bucket {bucket}").message,
                    "see to s3.endpoint_url, s3.region and the credentials",
                ) from None
            else:
                found.append(Check(Level.OK, S3, f"bucket {bucket} is there and ours to read"))
    return found


async def _webhook(settings: Settings) -> list[Check]:
    """A result is not sent for a try."""
    remedy = "start the receiver, or mend results.webhook_url; results wait and are sent then"
    place = await _connected(settings.results.webhook_url, remedy)
    return [Check(Level.OK, WEBHOOK, f"{place} accepts connections; nothing was sent")]


async def _collector(settings: Settings) -> list[Check]:
    remedy = "start the collector, or mend tracing.endpoint; what waits too long is dropped"
    place = await _connected(settings.tracing.endpoint, remedy)
    return [Check(Level.OK, COLLECTOR, f"{place} accepts connections; nothing was sent")]


async def _connected(url: str, remedy: str) -> str:
    """The place that was connected to; over TLS its certificate was seen to. Raises Trouble."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    place = f"{parts.hostname}:{port}"
    try:
        _, writer = await asyncio.open_connection(
            parts.hostname, port, ssl=ssl.create_default_context() if is_tls else None
        )
    except ssl.SSLCertVerificationError as error:
        mend = "give it a certificate that this machine trusts"
        raise Trouble(f"{place}: {error.verify_message}", mend) from None
    except OSError as error:
        why = (error.strerror or str(error) or type(error).__name__).lower()
        raise Trouble(f"{place}: {why}", remedy) from None
    writer.close()
    return place


def _revealed(secret: SecretStr | None) -> str:
    """Empty where none is set."""
    return "" if secret is None else secret.get_secret_value()


async def _prometheus(settings: Settings) -> list[Check]:
    import httpx

    from control_plane.adapters.prometheus import Prometheus
    from control_plane.ports import QueryFailed

    prometheus = settings.analysis.prometheus
    url, token = prometheus.url or "", _revealed(prometheus.token)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S) as client:
        try:
            await Prometheus(url, client).query("vector(1)", timeout_s=TIMEOUT_S)
        except QueryFailed as error:
            remedy = "start it, or mend analysis.prometheus; rollouts with queries wait meanwhile"
            raise Trouble(f"{url}: {error}", remedy) from None
    return [Check(Level.OK, PROMETHEUS, f"{url} answers queries")]

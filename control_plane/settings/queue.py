"""The settings of the queue: what carries the order to look at a job."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.settings.addresses import is_place
from control_plane.settings.section import Section
from control_plane.settings.store import without_password

_KNOWN = re.compile(r"amqps?://([^/@?#\s]*@)?(?P<place>[^/@?#\s]+)(/[^/?#\s]*)?(\?[^#\s]*)?")
_ENDPOINT = re.compile(r"https?://(?P<place>[^/@?#\s]+)/?")


def _check_url(value: SecretStr) -> SecretStr:
    matched = _KNOWN.fullmatch(value.get_secret_value())
    if matched is None or not is_place(matched["place"]):
        raise PydanticCustomError(
            "queue_url",
            "should be amqp://USER:PASSWORD@HOST/VHOST or amqps://…, with %40, %3A and %2F for "
            "@, : and / in a password, and %2F for / in a virtual host",
        )
    return value


# What is shown says which broker it is, and not how to get in.
QueueUrl = Annotated[
    SecretStr,
    Field(max_length=1000),
    AfterValidator(_check_url),
    PlainSerializer(without_password, return_type=str, when_used="json"),
]


class QueueSettings(Section):
    """What carries the order to look at a job to a worker."""

    kind: Literal["sql", "rabbitmq", "sqs"] = Field(
        default="sql",
        description="what carries jobs to workers: the state store, RabbitMQ (3.10 or later), "
        "or SQS",
    )
    url: QueueUrl | None = Field(
        default=None,
        validate_default=True,
        description="RabbitMQ's, amqp://USER:PASSWORD@HOST/VHOST or amqps://…",
    )
    prefix: str = Field(
        default="tidegate",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
        description="what the names of queues begin with",
    )
    prefetch: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="messages of each priority that a worker fetches from RabbitMQ or SQS ahead "
        "of those in its hands",
    )
    delivery_limit: int = Field(
        default=20,
        ge=2,
        le=1000,
        description="deliveries, each to a worker that died with it, after which a job is dead. "
        "RabbitMQ and SQS keep what it was when their queues were made: another one holds for "
        "queues that are made anew, and RabbitMQ's are named in a warning at each start",
    )
    timeout_s: float = Field(
        default=5, ge=0.1, le=60, description="how long one operation of the queue may take"
    )
    lease_s: int = Field(
        default=60,
        ge=2,
        le=43_200,
        description="how long after a worker's last sign of life what it held is delivered again; "
        "not for RabbitMQ, which knows",
    )
    region: str = Field(
        default="",
        pattern=r"^[a-z0-9-]{0,40}$",
        description="SQS's, for instance eu-west-1; AWS_DEFAULT_REGION if not set",
    )
    endpoint_url: str = Field(
        default="",
        max_length=300,
        description="of what speaks like SQS, for instance http://localstack:4566; AWS if not set",
    )
    create: bool = Field(
        default=False,
        description="whether queues that are missing in SQS are made; in RabbitMQ they always are",
    )

    @field_validator("url")
    @classmethod
    def _is_of_rabbitmq(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        kind = info.data.get("kind")
        if kind == "rabbitmq" and value is None:
            raise PydanticCustomError(
                "queue_url", "should be set for queue.kind rabbitmq: amqp://USER:PASSWORD@HOST/"
            )
        if kind in ("sql", "sqs") and value is not None:
            raise PydanticCustomError(
                "queue_url",
                "should be set for queue.kind rabbitmq only, not for {kind}",
                {"kind": kind},
            )
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _is_an_endpoint(cls, value: str) -> str:
        matched = _ENDPOINT.fullmatch(value)
        if value and (matched is None or not is_place(matched["place"])):
            raise PydanticCustomError(
                "endpoint_credentials",
                "should be http://HOST:PORT or https://…; user and password are "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        return value

"""An S3 client from settings, and what its failures mean.

What is wrong with our own credentials, region or endpoint is told apart from what is wrong with
the object: an expired key must not make a thousand good jobs unprocessable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from control_plane.adapters.photo_refusals import forbidden, not_found, unavailable
from control_plane.errors import ConfigurationError, ControlPlaneError

MAX_CONNECTIONS = 64

_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound", "404"})
# Whoever asks for an object cannot mend these.
_OUR_FAULT = frozenset(
    {
        "AccountProblem",
        "AuthFailure",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "PermanentRedirect",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
_REFUSED_STATUS, _TOO_MANY, _SERVER_FAULT = 403, 429, 500


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where S3 is and who asks. None: as the AWS environment, files and machine role say.

    endpoint_url: of another service that speaks the protocol, such as MinIO.
    is_path_style: the bucket in the path instead of the host name, which MinIO needs.
    connect_timeout_s, read_timeout_s: of one connection, and of one wait for bytes.
    """

    endpoint_url: str | None = None
    region: str | None = None
    is_path_style: bool = False
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0


@asynccontextmanager
async def open_client(options: S3Options) -> AsyncIterator[Any]:
    """A client that tries once: how often is for its users to say.

    Raises ConfigurationError for what the AWS environment or its files say and should not.
    """
    # Half a second of imports, which those without S3 need not wait for.
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    from botocore.exceptions import BotoCoreError

    config = AioConfig(
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": 1},
        s3={"addressing_style": "path" if options.is_path_style else "auto"},
        max_pool_connections=MAX_CONNECTIONS,
        # Checksums that are no part of the older protocol: other services refuse them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(
                get_session().create_client(
                    "s3",
                    endpoint_url=options.endpoint_url,
                    region_name=options.region,
                    aws_access_key_id=options.access_key_id,
                    aws_secret_access_key=options.secret_access_key,
                    config=config,
                )
            )
        except BotoCoreError as error:
            raise ConfigurationError(f"S3 cannot be asked as it is set up: {error}") from None
        yield client


def transport_errors() -> tuple[type[Exception], ...]:
    """What a client raises when nothing answered: no connection, no credentials, no more bytes."""
    import aiohttp
    from botocore.exceptions import BotoCoreError

    return (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError)


def refused(error: Any, what: str) -> ControlPlaneError:
    """What botocore's ClientError means. what: the object in words, which are shown to callers."""
    code = str(error.response.get("Error", {}).get("Code", ""))[:80]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _OUR_FAULT:
        return unavailable(
            f"{what} cannot be reached: S3 refuses the control plane's own credentials or "
            f"settings ({code})"
        )
    if code in _MISSING:
        return not_found(f"{what} does not exist ({code})")
    if status == _TOO_MANY or status >= _SERVER_FAULT or code in {"SlowDown", "RequestTimeout"}:
        return unavailable(f"S3 cannot answer for {what} now ({code or status})")
    reason = "S3 does not let the control plane read" if status == _REFUSED_STATUS else "S3 refuses"
    return forbidden(f"{reason} {what} ({code or status})")


def unreached(error: Exception, what: str) -> ControlPlaneError:
    """What a transport error means; its own words, which may name hosts, are not told."""
    kind = type(error).__name__
    if "Credential" in kind:
        return unavailable(f"{what} cannot be reached: the control plane has no credentials")
    return unavailable(f"S3 did not answer for {what} ({kind})")

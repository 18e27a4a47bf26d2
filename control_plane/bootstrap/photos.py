"""Where photos come from, and where those wait that came with their jobs."""

from __future__ import annotations

from contextlib import AsyncExitStack

from control_plane.adapters.photos import (
    LocalPhotos,
    PhotosByScheme,
    open_https_photos,
    open_s3_photos,
)
from control_plane.adapters.s3.client import S3Options
from control_plane.adapters.uploads import FileUploads, S3Uploads, open_s3_uploads
from control_plane.errors import ConfigurationError
from control_plane.ports import Clock
from control_plane.settings import Settings


async def open_photos(settings: Settings, stack: AsyncExitStack) -> PhotosByScheme:
    """Every scheme, also those that are switched off: their source says which setting opens it.

    Raises ConfigurationError.
    """
    photos = settings.photos
    s3 = await stack.enter_async_context(
        open_s3_photos(
            photos.buckets,
            s3_options(settings),
            max_bytes=photos.max_bytes,
            timeout_s=photos.fetch_timeout_s,
        )
    )
    try:
        https = await stack.enter_async_context(
            open_https_photos(
                photos.https_hosts,
                networks=photos.https_networks,
                ca_file=photos.https_ca_file,
                max_bytes=photos.max_bytes,
                timeout_s=photos.fetch_timeout_s,
            )
        )
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"photos.https_ca_file holds no certificates that can be read: {error.strerror}",
            field="photos.https_ca_file",
        ) from None
    local = LocalPhotos(photos.allowed_roots, photos.max_bytes)
    return PhotosByScheme({"file": local, "s3": s3, "https": https})


async def open_uploads(
    settings: Settings, stack: AsyncExitStack, clock: Clock
) -> FileUploads | S3Uploads:
    """In the bucket that the settings name, else in the folder."""
    uploads = settings.uploads
    if uploads.place is None:
        return FileUploads(settings.uploads_folder, max_bytes=uploads.max_bytes, clock=clock)
    bucket, prefix = uploads.place
    return await stack.enter_async_context(
        open_s3_uploads(
            bucket,
            prefix,
            s3_options(settings),
            max_bytes=settings.photos.max_bytes,
            timeout_s=uploads.timeout_s,
        )
    )


def s3_options(settings: Settings) -> S3Options:
    s3 = settings.s3
    secret = s3.secret_access_key
    return S3Options(
        endpoint_url=s3.endpoint_url,
        region=s3.region,
        is_path_style=s3.path_style,
        access_key_id=s3.access_key_id,
        secret_access_key=None if secret is None else secret.get_secret_value(),
    )

"""Where photos come from, and the check of their head before anything is spent on them.

One source for each scheme, none of which opens anything unless a setting says what: ``local``
reads ``file://`` below allowed folders, ``s3`` reads ``s3://`` from allowed buckets, ``https``
reads ``https://`` from allowed hosts at addresses that it has checked. ``by_scheme`` is the
PhotoSource of them all; ``urls`` is what they share, ``inspector`` looks at what came.
"""

from control_plane.adapters.photos.by_scheme import PhotosByScheme
from control_plane.adapters.photos.https import HttpsPhotos, open_https_photos
from control_plane.adapters.photos.inspector import HeadInspector, PhotoLimits
from control_plane.adapters.photos.local import LocalPhotos
from control_plane.adapters.photos.s3 import S3Photos, open_s3_photos

__all__ = [
    "HeadInspector",
    "HttpsPhotos",
    "LocalPhotos",
    "PhotoLimits",
    "PhotosByScheme",
    "S3Photos",
    "open_https_photos",
    "open_s3_photos",
]

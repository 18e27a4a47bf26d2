"""Where photos that came with their jobs are kept: a folder, or a bucket."""

from control_plane.adapters.uploads.files import FileUploads
from control_plane.adapters.uploads.s3 import S3Uploads, open_s3_uploads

__all__ = ["FileUploads", "S3Uploads", "open_s3_uploads"]

"""The one table from Tidegate's error codes to gRPC statuses."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from control_plane.errors import ErrorCode

STATUS: Mapping[ErrorCode, grpc.StatusCode] = {
    ErrorCode.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.PHOTO_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.PHOTO_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.PHOTO_FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.PHOTO_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.MESSAGE_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.UNKNOWN_ENGINE: grpc.StatusCode.NOT_FOUND,
    ErrorCode.UNKNOWN_RELEASE: grpc.StatusCode.NOT_FOUND,
    ErrorCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    ErrorCode.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.RELEASE_NOT_READY: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.BACKEND_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.BACKEND_FAULT: grpc.StatusCode.INTERNAL,
    ErrorCode.SHUTTING_DOWN: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.QUEUE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.PHOTO_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorCode.CANCELLED: grpc.StatusCode.CANCELLED,
    ErrorCode.CONFIGURATION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.INTERNAL: grpc.StatusCode.INTERNAL,
}

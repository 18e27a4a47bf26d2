import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_HIGH: _ClassVar[Priority]
    PRIORITY_NORMAL: _ClassVar[Priority]
    PRIORITY_LOW: _ClassVar[Priority]

class DetectionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DETECTION_STATUS_UNSPECIFIED: _ClassVar[DetectionStatus]
    DETECTION_STATUS_QUEUED: _ClassVar[DetectionStatus]
    DETECTION_STATUS_PROCESSING: _ClassVar[DetectionStatus]
    DETECTION_STATUS_COMPLETED: _ClassVar[DetectionStatus]
    DETECTION_STATUS_PARTIAL: _ClassVar[DetectionStatus]
    DETECTION_STATUS_FAILED: _ClassVar[DetectionStatus]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_HIGH: Priority
PRIORITY_NORMAL: Priority
PRIORITY_LOW: Priority
DETECTION_STATUS_UNSPECIFIED: DetectionStatus
DETECTION_STATUS_QUEUED: DetectionStatus
DETECTION_STATUS_PROCESSING: DetectionStatus
DETECTION_STATUS_COMPLETED: DetectionStatus
DETECTION_STATUS_PARTIAL: DetectionStatus
DETECTION_STATUS_FAILED: DetectionStatus

class Metadata(_message.Message):
    __slots__ = ("project_id", "user_id")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    user_id: str
    def __init__(self, project_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class DetectRequest(_message.Message):
    __slots__ = ("photo", "photo_url", "photo_id", "detection_types", "priority", "releases", "metadata")
    class ReleasesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PHOTO_FIELD_NUMBER: _ClassVar[int]
    PHOTO_URL_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    DETECTION_TYPES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    photo: bytes
    photo_url: str
    photo_id: str
    detection_types: _containers.RepeatedScalarFieldContainer[str]
    priority: Priority
    releases: _containers.ScalarMap[str, str]
    metadata: Metadata
    def __init__(self, photo: _Optional[bytes] = ..., photo_url: _Optional[str] = ..., photo_id: _Optional[str] = ..., detection_types: _Optional[_Iterable[str]] = ..., priority: _Optional[_Union[Priority, str]] = ..., releases: _Optional[_Mapping[str, str]] = ..., metadata: _Optional[_Union[Metadata, _Mapping]] = ...) -> None: ...

class SubmitDetectionRequest(_message.Message):
    __slots__ = ("request", "idempotency_key", "timeout_s")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    request: DetectRequest
    idempotency_key: str
    timeout_s: float
    def __init__(self, request: _Optional[_Union[DetectRequest, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., timeout_s: _Optional[float] = ...) -> None: ...

class GetDetectionRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class WatchDetectionRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x_min", "y_min", "x_max", "y_max")
    X_MIN_FIELD_NUMBER: _ClassVar[int]
    Y_MIN_FIELD_NUMBER: _ClassVar[int]
    X_MAX_FIELD_NUMBER: _ClassVar[int]
    Y_MAX_FIELD_NUMBER: _ClassVar[int]
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    def __init__(self, x_min: _Optional[float] = ..., y_min: _Optional[float] = ..., x_max: _Optional[float] = ..., y_max: _Optional[float] = ...) -> None: ...

class DetectedObject(_message.Message):
    __slots__ = ("class_name", "confidence", "box", "brand")
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    BRAND_FIELD_NUMBER: _ClassVar[int]
    class_name: str
    confidence: float
    box: Box
    brand: str
    def __init__(self, class_name: _Optional[str] = ..., confidence: _Optional[float] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., brand: _Optional[str] = ...) -> None: ...

class Objects(_message.Message):
    __slots__ = ("objects", "counts")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[DetectedObject]
    counts: _containers.ScalarMap[str, int]
    def __init__(self, objects: _Optional[_Iterable[_Union[DetectedObject, _Mapping]]] = ..., counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Volume(_message.Message):
    __slots__ = ("volume_m3", "confidence")
    VOLUME_M3_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    volume_m3: float
    confidence: float
    def __init__(self, volume_m3: _Optional[float] = ..., confidence: _Optional[float] = ...) -> None: ...

class EngineResult(_message.Message):
    __slots__ = ("release", "instance", "attempts", "damage", "materials", "volume", "other", "fallback_from", "cached")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    MATERIALS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FROM_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    release: str
    instance: str
    attempts: int
    damage: Objects
    materials: Objects
    volume: Volume
    other: _struct_pb2.Struct
    fallback_from: str
    cached: bool
    def __init__(self, release: _Optional[str] = ..., instance: _Optional[str] = ..., attempts: _Optional[int] = ..., damage: _Optional[_Union[Objects, _Mapping]] = ..., materials: _Optional[_Union[Objects, _Mapping]] = ..., volume: _Optional[_Union[Volume, _Mapping]] = ..., other: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., fallback_from: _Optional[str] = ..., cached: _Optional[bool] = ...) -> None: ...

class EngineError(_message.Message):
    __slots__ = ("code", "message", "retry_after_s")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retry_after_s: float
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class Detection(_message.Message):
    __slots__ = ("request_id", "detection_id", "correlation_id", "status", "results", "errors", "processing_time_ms", "timestamp", "photo_id")
    class ResultsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: EngineResult
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[EngineResult, _Mapping]] = ...) -> None: ...
    class ErrorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: EngineError
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[EngineError, _Mapping]] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DETECTION_ID_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    detection_id: str
    correlation_id: str
    status: DetectionStatus
    results: _containers.MessageMap[str, EngineResult]
    errors: _containers.MessageMap[str, EngineError]
    processing_time_ms: float
    timestamp: _timestamp_pb2.Timestamp
    photo_id: str
    def __init__(self, request_id: _Optional[str] = ..., detection_id: _Optional[str] = ..., correlation_id: _Optional[str] = ..., status: _Optional[_Union[DetectionStatus, str]] = ..., results: _Optional[_Mapping[str, EngineResult]] = ..., errors: _Optional[_Mapping[str, EngineError]] = ..., processing_time_ms: _Optional[float] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., photo_id: _Optional[str] = ...) -> None: ...

class ListEnginesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Release(_message.Message):
    __slots__ = ("release", "pins", "is_stable", "weight_bp", "ready_on", "is_canary", "shadow_bp", "is_serving")
    class PinsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    PINS_FIELD_NUMBER: _ClassVar[int]
    IS_STABLE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_BP_FIELD_NUMBER: _ClassVar[int]
    READY_ON_FIELD_NUMBER: _ClassVar[int]
    IS_CANARY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_BP_FIELD_NUMBER: _ClassVar[int]
    IS_SERVING_FIELD_NUMBER: _ClassVar[int]
    release: str
    pins: _containers.ScalarMap[str, int]
    is_stable: bool
    weight_bp: int
    ready_on: _containers.RepeatedScalarFieldContainer[str]
    is_canary: bool
    shadow_bp: int
    is_serving: bool
    def __init__(self, release: _Optional[str] = ..., pins: _Optional[_Mapping[str, int]] = ..., is_stable: _Optional[bool] = ..., weight_bp: _Optional[int] = ..., ready_on: _Optional[_Iterable[str]] = ..., is_canary: _Optional[bool] = ..., shadow_bp: _Optional[int] = ..., is_serving: _Optional[bool] = ...) -> None: ...

class Engine(_message.Message):
    __slots__ = ("name", "kind", "stable", "is_ready", "releases")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    IS_READY_FIELD_NUMBER: _ClassVar[int]
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    stable: str
    is_ready: bool
    releases: _containers.RepeatedCompositeFieldContainer[Release]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., stable: _Optional[str] = ..., is_ready: _Optional[bool] = ..., releases: _Optional[_Iterable[_Union[Release, _Mapping]]] = ...) -> None: ...

class ListEnginesResponse(_message.Message):
    __slots__ = ("engines",)
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    engines: _containers.RepeatedCompositeFieldContainer[Engine]
    def __init__(self, engines: _Optional[_Iterable[_Union[Engine, _Mapping]]] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InstanceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSTANCE_STATE_UNSPECIFIED: _ClassVar[InstanceState]
    INSTANCE_STATE_READY: _ClassVar[InstanceState]
    INSTANCE_STATE_LOADING: _ClassVar[InstanceState]
    INSTANCE_STATE_UNREACHABLE: _ClassVar[InstanceState]

class InstanceHealth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSTANCE_HEALTH_UNSPECIFIED: _ClassVar[InstanceHealth]
    INSTANCE_HEALTH_UNKNOWN: _ClassVar[InstanceHealth]
    INSTANCE_HEALTH_HEALTHY: _ClassVar[InstanceHealth]
    INSTANCE_HEALTH_DEGRADED: _ClassVar[InstanceHealth]
    INSTANCE_HEALTH_UNHEALTHY: _ClassVar[InstanceHealth]
    INSTANCE_HEALTH_DRAINING: _ClassVar[InstanceHealth]
    INSTANCE_HEALTH_ISOLATED: _ClassVar[InstanceHealth]

class EngineFitness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENGINE_FITNESS_UNSPECIFIED: _ClassVar[EngineFitness]
    ENGINE_FITNESS_PROVING: _ClassVar[EngineFitness]
    ENGINE_FITNESS_FIT: _ClassVar[EngineFitness]
    ENGINE_FITNESS_UNFIT: _ClassVar[EngineFitness]
    ENGINE_FITNESS_MENDING: _ClassVar[EngineFitness]
    ENGINE_FITNESS_GIVEN_UP: _ClassVar[EngineFitness]
    ENGINE_FITNESS_UNPROBED: _ClassVar[EngineFitness]
INSTANCE_STATE_UNSPECIFIED: InstanceState
INSTANCE_STATE_READY: InstanceState
INSTANCE_STATE_LOADING: InstanceState
INSTANCE_STATE_UNREACHABLE: InstanceState
INSTANCE_HEALTH_UNSPECIFIED: InstanceHealth
INSTANCE_HEALTH_UNKNOWN: InstanceHealth
INSTANCE_HEALTH_HEALTHY: InstanceHealth
INSTANCE_HEALTH_DEGRADED: InstanceHealth
INSTANCE_HEALTH_UNHEALTHY: InstanceHealth
INSTANCE_HEALTH_DRAINING: InstanceHealth
INSTANCE_HEALTH_ISOLATED: InstanceHealth
ENGINE_FITNESS_UNSPECIFIED: EngineFitness
ENGINE_FITNESS_PROVING: EngineFitness
ENGINE_FITNESS_FIT: EngineFitness
ENGINE_FITNESS_UNFIT: EngineFitness
ENGINE_FITNESS_MENDING: EngineFitness
ENGINE_FITNESS_GIVEN_UP: EngineFitness
ENGINE_FITNESS_UNPROBED: EngineFitness

class InstanceChange(_message.Message):
    __slots__ = ("at", "instance", "engine", "was", "now", "reason")
    AT_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    WAS_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    instance: str
    engine: str
    was: str
    now: str
    reason: str
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., instance: _Optional[str] = ..., engine: _Optional[str] = ..., was: _Optional[str] = ..., now: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class EngineThere(_message.Message):
    __slots__ = ("fitness", "reason", "in_flight")
    FITNESS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    fitness: EngineFitness
    reason: str
    in_flight: int
    def __init__(self, fitness: _Optional[_Union[EngineFitness, str]] = ..., reason: _Optional[str] = ..., in_flight: _Optional[int] = ...) -> None: ...

class Releases(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, releases: _Optional[_Iterable[str]] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("name", "url", "state", "reason", "serving", "in_flight", "breakers", "observed_ago_s", "health", "health_reason", "health_since", "engines", "history")
    class ServingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Releases
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Releases, _Mapping]] = ...) -> None: ...
    class BreakersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class EnginesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: EngineThere
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[EngineThere, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    BREAKERS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AGO_S_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HEALTH_REASON_FIELD_NUMBER: _ClassVar[int]
    HEALTH_SINCE_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    name: str
    url: str
    state: InstanceState
    reason: str
    serving: _containers.MessageMap[str, Releases]
    in_flight: int
    breakers: _containers.ScalarMap[str, str]
    observed_ago_s: float
    health: InstanceHealth
    health_reason: str
    health_since: _timestamp_pb2.Timestamp
    engines: _containers.MessageMap[str, EngineThere]
    history: _containers.RepeatedCompositeFieldContainer[InstanceChange]
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ..., state: _Optional[_Union[InstanceState, str]] = ..., reason: _Optional[str] = ..., serving: _Optional[_Mapping[str, Releases]] = ..., in_flight: _Optional[int] = ..., breakers: _Optional[_Mapping[str, str]] = ..., observed_ago_s: _Optional[float] = ..., health: _Optional[_Union[InstanceHealth, str]] = ..., health_reason: _Optional[str] = ..., health_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., engines: _Optional[_Mapping[str, EngineThere]] = ..., history: _Optional[_Iterable[_Union[InstanceChange, _Mapping]]] = ...) -> None: ...

class ListInstancesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListInstancesResponse(_message.Message):
    __slots__ = ("instances", "changes")
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    changes: _containers.RepeatedCompositeFieldContainer[InstanceChange]
    def __init__(self, instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., changes: _Optional[_Iterable[_Union[InstanceChange, _Mapping]]] = ...) -> None: ...

class GetInstanceRequest(_message.Message):
    __slots__ = ("instance",)
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    instance: str
    def __init__(self, instance: _Optional[str] = ...) -> None: ...

class DrainInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason", "force")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    force: bool
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class UndrainInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class IsolateInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason", "force")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    force: bool
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class HealInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

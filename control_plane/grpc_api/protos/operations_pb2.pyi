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

class RolloutKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLLOUT_KIND_UNSPECIFIED: _ClassVar[RolloutKind]
    ROLLOUT_KIND_CANARY: _ClassVar[RolloutKind]
    ROLLOUT_KIND_EXPERIMENT: _ClassVar[RolloutKind]
    ROLLOUT_KIND_SHADOW: _ClassVar[RolloutKind]
    ROLLOUT_KIND_DIRECT: _ClassVar[RolloutKind]

class RolloutState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLLOUT_STATE_UNSPECIFIED: _ClassVar[RolloutState]
    ROLLOUT_STATE_PENDING: _ClassVar[RolloutState]
    ROLLOUT_STATE_PREPARING: _ClassVar[RolloutState]
    ROLLOUT_STATE_SHADOW: _ClassVar[RolloutState]
    ROLLOUT_STATE_STEP: _ClassVar[RolloutState]
    ROLLOUT_STATE_PROMOTING: _ClassVar[RolloutState]
    ROLLOUT_STATE_PAUSED: _ClassVar[RolloutState]
    ROLLOUT_STATE_COMPLETED: _ClassVar[RolloutState]
    ROLLOUT_STATE_ROLLING_BACK: _ClassVar[RolloutState]
    ROLLOUT_STATE_ROLLED_BACK: _ClassVar[RolloutState]
    ROLLOUT_STATE_FAILED: _ClassVar[RolloutState]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_WORSE: _ClassVar[Verdict]
    VERDICT_NOT_WORSE: _ClassVar[Verdict]
    VERDICT_UNDECIDED: _ClassVar[Verdict]
    VERDICT_ERROR: _ClassVar[Verdict]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_PROCESSING: _ClassVar[JobState]
    JOB_STATE_COMPLETED: _ClassVar[JobState]
    JOB_STATE_PARTIAL: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]

class JobPriority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_PRIORITY_UNSPECIFIED: _ClassVar[JobPriority]
    JOB_PRIORITY_HIGH: _ClassVar[JobPriority]
    JOB_PRIORITY_NORMAL: _ClassVar[JobPriority]
    JOB_PRIORITY_LOW: _ClassVar[JobPriority]

class DeadReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_REASON_UNSPECIFIED: _ClassVar[DeadReason]
    DEAD_REASON_UNPROCESSABLE: _ClassVar[DeadReason]
    DEAD_REASON_FAILED: _ClassVar[DeadReason]
    DEAD_REASON_ANY: _ClassVar[DeadReason]
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
ROLLOUT_KIND_UNSPECIFIED: RolloutKind
ROLLOUT_KIND_CANARY: RolloutKind
ROLLOUT_KIND_EXPERIMENT: RolloutKind
ROLLOUT_KIND_SHADOW: RolloutKind
ROLLOUT_KIND_DIRECT: RolloutKind
ROLLOUT_STATE_UNSPECIFIED: RolloutState
ROLLOUT_STATE_PENDING: RolloutState
ROLLOUT_STATE_PREPARING: RolloutState
ROLLOUT_STATE_SHADOW: RolloutState
ROLLOUT_STATE_STEP: RolloutState
ROLLOUT_STATE_PROMOTING: RolloutState
ROLLOUT_STATE_PAUSED: RolloutState
ROLLOUT_STATE_COMPLETED: RolloutState
ROLLOUT_STATE_ROLLING_BACK: RolloutState
ROLLOUT_STATE_ROLLED_BACK: RolloutState
ROLLOUT_STATE_FAILED: RolloutState
VERDICT_UNSPECIFIED: Verdict
VERDICT_WORSE: Verdict
VERDICT_NOT_WORSE: Verdict
VERDICT_UNDECIDED: Verdict
VERDICT_ERROR: Verdict
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_PROCESSING: JobState
JOB_STATE_COMPLETED: JobState
JOB_STATE_PARTIAL: JobState
JOB_STATE_FAILED: JobState
JOB_PRIORITY_UNSPECIFIED: JobPriority
JOB_PRIORITY_HIGH: JobPriority
JOB_PRIORITY_NORMAL: JobPriority
JOB_PRIORITY_LOW: JobPriority
DEAD_REASON_UNSPECIFIED: DeadReason
DEAD_REASON_UNPROCESSABLE: DeadReason
DEAD_REASON_FAILED: DeadReason
DEAD_REASON_ANY: DeadReason

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

class InstanceLoad(_message.Message):
    __slots__ = ("scraped_ago_s", "pending", "queue_ms", "gpu_utilization", "gpu_memory_used_bytes", "gpu_memory_total_bytes", "cpu_utilization", "cpu_memory_used_bytes", "cpu_memory_total_bytes")
    class QueueMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SCRAPED_AGO_S_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    GPU_UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    CPU_MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_MEMORY_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    scraped_ago_s: float
    pending: int
    queue_ms: _containers.ScalarMap[str, float]
    gpu_utilization: float
    gpu_memory_used_bytes: int
    gpu_memory_total_bytes: int
    cpu_utilization: float
    cpu_memory_used_bytes: int
    cpu_memory_total_bytes: int
    def __init__(self, scraped_ago_s: _Optional[float] = ..., pending: _Optional[int] = ..., queue_ms: _Optional[_Mapping[str, float]] = ..., gpu_utilization: _Optional[float] = ..., gpu_memory_used_bytes: _Optional[int] = ..., gpu_memory_total_bytes: _Optional[int] = ..., cpu_utilization: _Optional[float] = ..., cpu_memory_used_bytes: _Optional[int] = ..., cpu_memory_total_bytes: _Optional[int] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("name", "url", "state", "reason", "serving", "in_flight", "breakers", "observed_ago_s", "health", "health_reason", "health_since", "engines", "history", "load", "load_reason")
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
    LOAD_FIELD_NUMBER: _ClassVar[int]
    LOAD_REASON_FIELD_NUMBER: _ClassVar[int]
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
    load: InstanceLoad
    load_reason: str
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ..., state: _Optional[_Union[InstanceState, str]] = ..., reason: _Optional[str] = ..., serving: _Optional[_Mapping[str, Releases]] = ..., in_flight: _Optional[int] = ..., breakers: _Optional[_Mapping[str, str]] = ..., observed_ago_s: _Optional[float] = ..., health: _Optional[_Union[InstanceHealth, str]] = ..., health_reason: _Optional[str] = ..., health_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., engines: _Optional[_Mapping[str, EngineThere]] = ..., history: _Optional[_Iterable[_Union[InstanceChange, _Mapping]]] = ..., load: _Optional[_Union[InstanceLoad, _Mapping]] = ..., load_reason: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("instance", "reason", "force", "who")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    force: bool
    who: str
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ..., who: _Optional[str] = ...) -> None: ...

class UndrainInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason", "who")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    who: str
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class IsolateInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason", "force", "who")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    force: bool
    who: str
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ..., who: _Optional[str] = ...) -> None: ...

class HealInstanceRequest(_message.Message):
    __slots__ = ("instance", "reason", "who")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    instance: str
    reason: str
    who: str
    def __init__(self, instance: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class RolloutMetric(_message.Message):
    __slots__ = ("metric", "verdict", "evidence", "threshold", "clear_evidence", "clear_threshold", "stable", "target")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CLEAR_EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    metric: str
    verdict: Verdict
    evidence: float
    threshold: float
    clear_evidence: float
    clear_threshold: float
    stable: float
    target: float
    def __init__(self, metric: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., evidence: _Optional[float] = ..., threshold: _Optional[float] = ..., clear_evidence: _Optional[float] = ..., clear_threshold: _Optional[float] = ..., stable: _Optional[float] = ..., target: _Optional[float] = ...) -> None: ...

class RolloutAssessment(_message.Message):
    __slots__ = ("at", "step", "verdict", "reason", "samples", "metrics")
    AT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    step: int
    verdict: Verdict
    reason: str
    samples: int
    metrics: _containers.RepeatedCompositeFieldContainer[RolloutMetric]
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[str] = ..., samples: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[RolloutMetric, _Mapping]]] = ...) -> None: ...

class Rollout(_message.Message):
    __slots__ = ("id", "engine", "kind", "state", "paused_in", "step", "steps_percent", "weight_bp", "shadow_bp", "stable", "target", "reason", "started_at", "since", "is_finished", "is_manual", "is_reversal", "shadow_percent", "min_step_s", "max_step_s", "min_samples", "instances", "verdict", "samples", "assessment", "ignored", "slow_s", "accuracy")
    class InstancesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_IN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_PERCENT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_BP_FIELD_NUMBER: _ClassVar[int]
    SHADOW_BP_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    IS_FINISHED_FIELD_NUMBER: _ClassVar[int]
    IS_MANUAL_FIELD_NUMBER: _ClassVar[int]
    IS_REVERSAL_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MIN_STEP_S_FIELD_NUMBER: _ClassVar[int]
    MAX_STEP_S_FIELD_NUMBER: _ClassVar[int]
    MIN_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    ASSESSMENT_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELD_NUMBER: _ClassVar[int]
    SLOW_S_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    id: str
    engine: str
    kind: RolloutKind
    state: RolloutState
    paused_in: RolloutState
    step: int
    steps_percent: _containers.RepeatedScalarFieldContainer[int]
    weight_bp: int
    shadow_bp: int
    stable: str
    target: str
    reason: str
    started_at: _timestamp_pb2.Timestamp
    since: _timestamp_pb2.Timestamp
    is_finished: bool
    is_manual: bool
    is_reversal: bool
    shadow_percent: int
    min_step_s: float
    max_step_s: float
    min_samples: int
    instances: _containers.ScalarMap[str, str]
    verdict: Verdict
    samples: int
    assessment: RolloutAssessment
    ignored: _containers.RepeatedScalarFieldContainer[str]
    slow_s: float
    accuracy: AccuracyGate
    def __init__(self, id: _Optional[str] = ..., engine: _Optional[str] = ..., kind: _Optional[_Union[RolloutKind, str]] = ..., state: _Optional[_Union[RolloutState, str]] = ..., paused_in: _Optional[_Union[RolloutState, str]] = ..., step: _Optional[int] = ..., steps_percent: _Optional[_Iterable[int]] = ..., weight_bp: _Optional[int] = ..., shadow_bp: _Optional[int] = ..., stable: _Optional[str] = ..., target: _Optional[str] = ..., reason: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_finished: _Optional[bool] = ..., is_manual: _Optional[bool] = ..., is_reversal: _Optional[bool] = ..., shadow_percent: _Optional[int] = ..., min_step_s: _Optional[float] = ..., max_step_s: _Optional[float] = ..., min_samples: _Optional[int] = ..., instances: _Optional[_Mapping[str, str]] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., samples: _Optional[int] = ..., assessment: _Optional[_Union[RolloutAssessment, _Mapping]] = ..., ignored: _Optional[_Iterable[str]] = ..., slow_s: _Optional[float] = ..., accuracy: _Optional[_Union[AccuracyGate, _Mapping]] = ...) -> None: ...

class StartRolloutRequest(_message.Message):
    __slots__ = ("engine", "release", "kind", "steps_percent", "shadow_percent", "min_step_s", "max_step_s", "min_samples", "manual", "reason", "who", "ignore", "accuracy")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEPS_PERCENT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MIN_STEP_S_FIELD_NUMBER: _ClassVar[int]
    MAX_STEP_S_FIELD_NUMBER: _ClassVar[int]
    MIN_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MANUAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    engine: str
    release: str
    kind: RolloutKind
    steps_percent: _containers.RepeatedScalarFieldContainer[int]
    shadow_percent: int
    min_step_s: float
    max_step_s: float
    min_samples: int
    manual: bool
    reason: str
    who: str
    ignore: _containers.RepeatedScalarFieldContainer[str]
    accuracy: AccuracyGate
    def __init__(self, engine: _Optional[str] = ..., release: _Optional[str] = ..., kind: _Optional[_Union[RolloutKind, str]] = ..., steps_percent: _Optional[_Iterable[int]] = ..., shadow_percent: _Optional[int] = ..., min_step_s: _Optional[float] = ..., max_step_s: _Optional[float] = ..., min_samples: _Optional[int] = ..., manual: _Optional[bool] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ..., ignore: _Optional[_Iterable[str]] = ..., accuracy: _Optional[_Union[AccuracyGate, _Mapping]] = ...) -> None: ...

class AccuracyGate(_message.Message):
    __slots__ = ("score", "margin", "least", "proof")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    score: str
    margin: float
    least: int
    proof: bool
    def __init__(self, score: _Optional[str] = ..., margin: _Optional[float] = ..., least: _Optional[int] = ..., proof: _Optional[bool] = ...) -> None: ...

class StartExperimentRequest(_message.Message):
    __slots__ = ("engine", "split", "reason", "who", "ignore")
    class SplitEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FIELD_NUMBER: _ClassVar[int]
    engine: str
    split: _containers.ScalarMap[str, int]
    reason: str
    who: str
    ignore: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, engine: _Optional[str] = ..., split: _Optional[_Mapping[str, int]] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ..., ignore: _Optional[_Iterable[str]] = ...) -> None: ...

class RollBackRequest(_message.Message):
    __slots__ = ("engine", "to", "reason", "who")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    engine: str
    to: str
    reason: str
    who: str
    def __init__(self, engine: _Optional[str] = ..., to: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class PauseRolloutRequest(_message.Message):
    __slots__ = ("rollout", "reason", "who")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    reason: str
    who: str
    def __init__(self, rollout: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class ResumeRolloutRequest(_message.Message):
    __slots__ = ("rollout", "reason", "who")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    reason: str
    who: str
    def __init__(self, rollout: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class AdvanceRolloutRequest(_message.Message):
    __slots__ = ("rollout", "reason", "who")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    reason: str
    who: str
    def __init__(self, rollout: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class AbortRolloutRequest(_message.Message):
    __slots__ = ("rollout", "reason", "who")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    reason: str
    who: str
    def __init__(self, rollout: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class ListRolloutsRequest(_message.Message):
    __slots__ = ("engine", "limit")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    engine: str
    limit: int
    def __init__(self, engine: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListRolloutsResponse(_message.Message):
    __slots__ = ("rollouts",)
    ROLLOUTS_FIELD_NUMBER: _ClassVar[int]
    rollouts: _containers.RepeatedCompositeFieldContainer[Rollout]
    def __init__(self, rollouts: _Optional[_Iterable[_Union[Rollout, _Mapping]]] = ...) -> None: ...

class GetRolloutRequest(_message.Message):
    __slots__ = ("rollout",)
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    def __init__(self, rollout: _Optional[str] = ...) -> None: ...

class GetRolloutEvidenceRequest(_message.Message):
    __slots__ = ("rollout", "limit")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    limit: int
    def __init__(self, rollout: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class RolloutEvidence(_message.Message):
    __slots__ = ("rollout", "engine", "assessments")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ASSESSMENTS_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    engine: str
    assessments: _containers.RepeatedCompositeFieldContainer[RolloutAssessment]
    def __init__(self, rollout: _Optional[str] = ..., engine: _Optional[str] = ..., assessments: _Optional[_Iterable[_Union[RolloutAssessment, _Mapping]]] = ...) -> None: ...

class WatchRolloutRequest(_message.Message):
    __slots__ = ("rollout", "interval_s")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    rollout: str
    interval_s: float
    def __init__(self, rollout: _Optional[str] = ..., interval_s: _Optional[float] = ...) -> None: ...

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("engine", "rollout", "before", "limit")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    engine: str
    rollout: str
    before: int
    limit: int
    def __init__(self, engine: _Optional[str] = ..., rollout: _Optional[str] = ..., before: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("number", "at", "who", "action", "reason", "engine", "rollout", "instance", "before", "after")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: _timestamp_pb2.Timestamp
    who: str
    action: str
    reason: str
    engine: str
    rollout: str
    instance: str
    before: _struct_pb2.Struct
    after: _struct_pb2.Struct
    def __init__(self, number: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., who: _Optional[str] = ..., action: _Optional[str] = ..., reason: _Optional[str] = ..., engine: _Optional[str] = ..., rollout: _Optional[str] = ..., instance: _Optional[str] = ..., before: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., after: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class JobClaim(_message.Message):
    __slots__ = ("worker", "attempt", "expires_at")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    worker: str
    attempt: int
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, worker: _Optional[str] = ..., attempt: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("code", "message", "at", "field")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    at: _timestamp_pb2.Timestamp
    field: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., field: _Optional[str] = ...) -> None: ...

class JobHandover(_message.Message):
    __slots__ = ("run", "attempts", "due_at", "delivered_at", "is_given_up", "error")
    RUN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_AT_FIELD_NUMBER: _ClassVar[int]
    IS_GIVEN_UP_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    run: int
    attempts: int
    due_at: _timestamp_pb2.Timestamp
    delivered_at: _timestamp_pb2.Timestamp
    is_given_up: bool
    error: str
    def __init__(self, run: _Optional[int] = ..., attempts: _Optional[int] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delivered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_given_up: _Optional[bool] = ..., error: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "state", "priority", "dead", "correlation_id", "engines", "photo_url", "photo_id", "is_uploaded", "releases", "metadata", "routing_key", "idempotency_key", "created_at", "updated_at", "due_at", "deadline_at", "published_at", "run", "attempts", "claim", "error", "handover", "raw")
    class ReleasesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    PHOTO_URL_FIELD_NUMBER: _ClassVar[int]
    PHOTO_ID_FIELD_NUMBER: _ClassVar[int]
    IS_UPLOADED_FIELD_NUMBER: _ClassVar[int]
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ROUTING_KEY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: JobState
    priority: JobPriority
    dead: DeadReason
    correlation_id: str
    engines: _containers.RepeatedScalarFieldContainer[str]
    photo_url: str
    photo_id: str
    is_uploaded: bool
    releases: _containers.ScalarMap[str, str]
    metadata: _containers.ScalarMap[str, str]
    routing_key: str
    idempotency_key: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    due_at: _timestamp_pb2.Timestamp
    deadline_at: _timestamp_pb2.Timestamp
    published_at: _timestamp_pb2.Timestamp
    run: int
    attempts: int
    claim: JobClaim
    error: JobError
    handover: JobHandover
    raw: str
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., priority: _Optional[_Union[JobPriority, str]] = ..., dead: _Optional[_Union[DeadReason, str]] = ..., correlation_id: _Optional[str] = ..., engines: _Optional[_Iterable[str]] = ..., photo_url: _Optional[str] = ..., photo_id: _Optional[str] = ..., is_uploaded: _Optional[bool] = ..., releases: _Optional[_Mapping[str, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., routing_key: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deadline_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., published_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run: _Optional[int] = ..., attempts: _Optional[int] = ..., claim: _Optional[_Union[JobClaim, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., handover: _Optional[_Union[JobHandover, _Mapping]] = ..., raw: _Optional[str] = ...) -> None: ...

class JobFilter(_message.Message):
    __slots__ = ("states", "priority", "dead", "undelivered", "engine", "code", "correlation_id", "created_after", "created_before")
    STATES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    UNDELIVERED_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[JobState]
    priority: JobPriority
    dead: DeadReason
    undelivered: bool
    engine: str
    code: str
    correlation_id: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, states: _Optional[_Iterable[_Union[JobState, str]]] = ..., priority: _Optional[_Union[JobPriority, str]] = ..., dead: _Optional[_Union[DeadReason, str]] = ..., undelivered: _Optional[bool] = ..., engine: _Optional[str] = ..., code: _Optional[str] = ..., correlation_id: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("filter", "limit", "before")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    filter: JobFilter
    limit: int
    before: str
    def __init__(self, filter: _Optional[_Union[JobFilter, _Mapping]] = ..., limit: _Optional[int] = ..., before: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_before")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_before: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_before: _Optional[str] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class ReplayJobRequest(_message.Message):
    __slots__ = ("job", "reason", "who")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    job: str
    reason: str
    who: str
    def __init__(self, job: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class DiscardJobRequest(_message.Message):
    __slots__ = ("job", "reason", "who")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    job: str
    reason: str
    who: str
    def __init__(self, job: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class ResendJobRequest(_message.Message):
    __slots__ = ("job", "reason", "who")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    job: str
    reason: str
    who: str
    def __init__(self, job: _Optional[str] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ...) -> None: ...

class ReplayJobsRequest(_message.Message):
    __slots__ = ("filter", "all", "limit", "reason", "who", "before")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    filter: JobFilter
    all: bool
    limit: int
    reason: str
    who: str
    before: str
    def __init__(self, filter: _Optional[_Union[JobFilter, _Mapping]] = ..., all: _Optional[bool] = ..., limit: _Optional[int] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ..., before: _Optional[str] = ...) -> None: ...

class ReplayJobsResponse(_message.Message):
    __slots__ = ("jobs", "may_have_more")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    MAY_HAVE_MORE_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    may_have_more: bool
    def __init__(self, jobs: _Optional[_Iterable[str]] = ..., may_have_more: _Optional[bool] = ...) -> None: ...

class DiscardJobsRequest(_message.Message):
    __slots__ = ("filter", "all", "limit", "reason", "who", "before")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    filter: JobFilter
    all: bool
    limit: int
    reason: str
    who: str
    before: str
    def __init__(self, filter: _Optional[_Union[JobFilter, _Mapping]] = ..., all: _Optional[bool] = ..., limit: _Optional[int] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ..., before: _Optional[str] = ...) -> None: ...

class DiscardJobsResponse(_message.Message):
    __slots__ = ("jobs", "may_have_more")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    MAY_HAVE_MORE_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    may_have_more: bool
    def __init__(self, jobs: _Optional[_Iterable[str]] = ..., may_have_more: _Optional[bool] = ...) -> None: ...

class ResendJobsRequest(_message.Message):
    __slots__ = ("filter", "all", "limit", "reason", "who", "before")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    filter: JobFilter
    all: bool
    limit: int
    reason: str
    who: str
    before: str
    def __init__(self, filter: _Optional[_Union[JobFilter, _Mapping]] = ..., all: _Optional[bool] = ..., limit: _Optional[int] = ..., reason: _Optional[str] = ..., who: _Optional[str] = ..., before: _Optional[str] = ...) -> None: ...

class ResendJobsResponse(_message.Message):
    __slots__ = ("jobs", "may_have_more")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    MAY_HAVE_MORE_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    may_have_more: bool
    def __init__(self, jobs: _Optional[_Iterable[str]] = ..., may_have_more: _Optional[bool] = ...) -> None: ...

class GetJobFiguresRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class JobFigures(_message.Message):
    __slots__ = ("waiting", "queue", "oldest_age_s", "states", "dead", "undelivered")
    class WaitingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class QueueEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class OldestAgeSEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class StatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DeadEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WAITING_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_S_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    UNDELIVERED_FIELD_NUMBER: _ClassVar[int]
    waiting: _containers.ScalarMap[str, int]
    queue: _containers.ScalarMap[str, int]
    oldest_age_s: _containers.ScalarMap[str, float]
    states: _containers.ScalarMap[str, int]
    dead: _containers.ScalarMap[str, int]
    undelivered: int
    def __init__(self, waiting: _Optional[_Mapping[str, int]] = ..., queue: _Optional[_Mapping[str, int]] = ..., oldest_age_s: _Optional[_Mapping[str, float]] = ..., states: _Optional[_Mapping[str, int]] = ..., dead: _Optional[_Mapping[str, int]] = ..., undelivered: _Optional[int] = ...) -> None: ...

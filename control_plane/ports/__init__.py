"""What the services ask of the outside world. Adapters keep these promises.

Small protocols, each with the fewest methods that do; fakes for tests keep them too.
"""

from control_plane.ports.evidence import CountStore, EvidenceLog, RolloutCounts
from control_plane.ports.feedback import FeedbackStore, KeptDetections
from control_plane.ports.instances import (
    CallFailed,
    CallMetadata,
    InferenceCalls,
    InstanceMetrics,
    ModelControl,
    ScrapeFailed,
)
from control_plane.ports.jobs import (
    MAX_MESSAGE_BYTES,
    Delivery,
    Due,
    JobQueue,
    JobStore,
    JobUpkeep,
    Message,
    QueueUnavailable,
    ResultCache,
    ResultRefused,
    ResultSink,
    ResultUnsent,
    Uploads,
)
from control_plane.ports.logs import LevelName, LogLevels
from control_plane.ports.metrics import MetricQueries, QueryFailed
from control_plane.ports.photos import PhotoInspector, PhotoSource
from control_plane.ports.releases import (
    AddedVersion,
    ModelStore,
    OnnxChecker,
    RegistryUnavailable,
    ReleaseRegistry,
    RepositoryContent,
)
from control_plane.ports.state import (
    AuditLog,
    Fenced,
    Leases,
    Planes,
    StaleRevision,
    StateStore,
    StoreUnavailable,
)
from control_plane.ports.time import Calendar, Clock
from control_plane.ports.tracing import SpanSink
from control_plane.ports.traffic import OwnSlot, References, TrafficShare

__all__ = [
    "MAX_MESSAGE_BYTES",
    "AddedVersion",
    "AuditLog",
    "Calendar",
    "CallFailed",
    "CallMetadata",
    "Clock",
    "CountStore",
    "Delivery",
    "Due",
    "EvidenceLog",
    "FeedbackStore",
    "Fenced",
    "InferenceCalls",
    "InstanceMetrics",
    "JobQueue",
    "JobStore",
    "JobUpkeep",
    "KeptDetections",
    "Leases",
    "LevelName",
    "LogLevels",
    "Message",
    "MetricQueries",
    "ModelControl",
    "ModelStore",
    "OnnxChecker",
    "OwnSlot",
    "PhotoInspector",
    "PhotoSource",
    "Planes",
    "QueryFailed",
    "QueueUnavailable",
    "References",
    "RegistryUnavailable",
    "ReleaseRegistry",
    "RepositoryContent",
    "ResultCache",
    "ResultRefused",
    "ResultSink",
    "ResultUnsent",
    "RolloutCounts",
    "ScrapeFailed",
    "SpanSink",
    "StaleRevision",
    "StateStore",
    "StoreUnavailable",
    "TrafficShare",
    "Uploads",
]

"""The settings: what may be set (``schema``) and where values come from (``sources``)."""

from control_plane.settings.analysis import (
    AnalysisSettings,
    analysis_by_engine,
    analysis_options,
    gates_of,
)
from control_plane.settings.cache import CacheSettings
from control_plane.settings.edges import (
    GrpcSettings,
    HttpSettings,
    LogSettings,
    ShutdownSettings,
)
from control_plane.settings.fleet import EmbeddedSettings, FleetSettings, InstanceSettings
from control_plane.settings.jobs import JobSettings
from control_plane.settings.photos import PhotoSettings, UploadSettings
from control_plane.settings.queue import QueueSettings
from control_plane.settings.registry import RegistrySettings
from control_plane.settings.request_path import (
    AdmissionSettings,
    BreakerSettings,
    EngineRequestSettings,
    RequestSettings,
    RetrySettings,
)
from control_plane.settings.s3 import S3Settings
from control_plane.settings.schema import Settings
from control_plane.settings.section import Section
from control_plane.settings.sources import LoadedSettings, flag_of, flatten, load_settings
from control_plane.settings.store import StoreSettings
from control_plane.settings.tracing import TracingSettings
from control_plane.settings.worker import WorkerSettings

__all__ = [
    "AdmissionSettings",
    "AnalysisSettings",
    "BreakerSettings",
    "CacheSettings",
    "EmbeddedSettings",
    "EngineRequestSettings",
    "FleetSettings",
    "GrpcSettings",
    "HttpSettings",
    "InstanceSettings",
    "JobSettings",
    "LoadedSettings",
    "LogSettings",
    "PhotoSettings",
    "QueueSettings",
    "RegistrySettings",
    "RequestSettings",
    "RetrySettings",
    "S3Settings",
    "Section",
    "Settings",
    "ShutdownSettings",
    "StoreSettings",
    "TracingSettings",
    "UploadSettings",
    "WorkerSettings",
    "analysis_by_engine",
    "analysis_options",
    "flag_of",
    "flatten",
    "gates_of",
    "load_settings",
]

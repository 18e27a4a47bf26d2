"""Every setting there is, section by section, and what holds between sections.

The sections say what may be set, with bounds, default and meaning: ``edges`` what meets callers,
``request_path`` what a request is held to, ``photos`` and ``s3`` where photos come from, ``jobs``
the work that waits, ``worker`` where one who does it is looked at, ``queue`` what carries it,
``results`` where what it comes to is sent, ``cache`` what is kept of answers,
``feedback`` what is kept to be judged, ``fleet`` the
Tritons, ``store`` the state, ``registry`` the releases, ``rollouts`` how they move, ``analysis``
how a rollout is judged, ``tracing`` what is recorded of requests.

Where values come from (flags, environment, file) and which one wins is
:mod:`control_plane.settings.sources`; :class:`Settings` itself reads nothing, so ``Settings()`` is
the defaults everywhere. Relative paths are relative to the working directory.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from control_plane.settings.analysis import AnalysisSettings
from control_plane.settings.cache import CacheSettings
from control_plane.settings.edges import (
    GrpcSettings,
    HttpSettings,
    LogSettings,
    ShutdownSettings,
)
from control_plane.settings.feedback import FeedbackSettings
from control_plane.settings.fleet import (
    EmbeddedSettings,
    FleetSettings,
    HealthSettings,
    InstanceSettings,
    MendingSettings,
)
from control_plane.settings.jobs import JobSettings
from control_plane.settings.photos import UPLOADS_FOLDER, PhotoSettings, UploadSettings
from control_plane.settings.queue import QueueSettings
from control_plane.settings.registry import RegistrySettings
from control_plane.settings.request_path import (
    AdmissionSettings,
    BreakerSettings,
    RequestSettings,
    RetrySettings,
)
from control_plane.settings.results import ResultSettings
from control_plane.settings.rollouts import LeaderSettings, RolloutSettings
from control_plane.settings.s3 import S3Settings
from control_plane.settings.store import STORE_FILE, StoreSettings
from control_plane.settings.tracing import TracingSettings
from control_plane.settings.worker import WorkerSettings

# What a message may hold besides its photo.
PHOTO_MESSAGE_OVERHEAD_BYTES = 64 * 1024


class Settings(BaseSettings):
    """All settings. Build them with ``load_settings``; ``Settings()`` is the defaults."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="TIDEGATE_", env_nested_delimiter="__"
    )

    model_repository: Path = Field(
        default=Path("model_repository"), description="folder of Triton's layout with releases.yaml"
    )
    state_dir: Path = Field(
        default=Path("state"),
        description="folder of what is stored, made when needed for its owner alone (mode 0700)",
    )
    store: StoreSettings = StoreSettings()
    http: HttpSettings = HttpSettings()
    grpc: GrpcSettings = GrpcSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    instances: tuple[InstanceSettings, ...] = Field(
        default=(),
        max_length=256,
        description="the remote fleet of `tidegate serve`: name, grpc_url, metrics_url",
    )
    photos: PhotoSettings = PhotoSettings()
    s3: S3Settings = S3Settings()
    uploads: UploadSettings = UploadSettings()
    cache: CacheSettings = CacheSettings()
    requests: RequestSettings = RequestSettings()
    fleet: FleetSettings = FleetSettings()
    retries: RetrySettings = RetrySettings()
    admission: AdmissionSettings = AdmissionSettings()
    breakers: BreakerSettings = BreakerSettings()
    health: HealthSettings = HealthSettings()
    mending: MendingSettings = MendingSettings()
    jobs: JobSettings = JobSettings()
    worker: WorkerSettings = WorkerSettings()
    results: ResultSettings = ResultSettings()
    queue: QueueSettings = QueueSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    registry: RegistrySettings = RegistrySettings()
    rollouts: RolloutSettings = RolloutSettings()
    leader: LeaderSettings = LeaderSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    tracing: TracingSettings = TracingSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @property
    def store_location(self) -> Path | str:
        """Where the state is kept, as ``open_store`` takes it. A URL may hold a password."""
        url = self.store.url
        return self.state_dir / STORE_FILE if url is None else url.get_secret_value()

    @property
    def uploads_folder(self) -> Path:
        """Where uploads are kept, unless ``uploads.url`` says otherwise."""
        return self.state_dir / UPLOADS_FOLDER

    @field_validator("instances")
    @classmethod
    def _has_unique_names(cls, value: tuple[InstanceSettings, ...]) -> tuple[InstanceSettings, ...]:
        names = [instance.name for instance in value]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "unique_names", "names two instances {name}", {"name": repr(name)}
                )
        return value

    @model_validator(mode="after")
    def _has_two_ports(self) -> Settings:
        if self.grpc.port and self.grpc.port == self.http.port:
            raise PydanticCustomError(
                "same_port",
                "should differ from http.port, {port}",
                {"field": "grpc.port", "port": self.http.port},
            )
        return self

    @model_validator(mode="after")
    def _has_room_for_a_photo(self) -> Settings:
        least = self.photos.max_bytes + PHOTO_MESSAGE_OVERHEAD_BYTES
        if self.grpc.max_message_bytes < least:
            raise PydanticCustomError(
                "photo_message",
                "should be at least photos.max_bytes + {overhead} = {least}, so that a photo of "
                "{photo} bytes fits into a message",
                {
                    "field": "grpc.max_message_bytes",
                    "overhead": PHOTO_MESSAGE_OVERHEAD_BYTES,
                    "least": least,
                    "photo": self.photos.max_bytes,
                },
            )
        return self

    @model_validator(mode="after")
    def _has_room_for_an_upload(self) -> Settings:
        if self.uploads.url is None and self.uploads.max_bytes < self.photos.max_bytes:
            raise PydanticCustomError(
                "upload_room",
                "should be at least photos.max_bytes, {photo}, so that one fits",
                {"field": "uploads.max_bytes", "photo": self.photos.max_bytes},
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back: load_settings merges the sources."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

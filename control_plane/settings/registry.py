"""The settings of the registry of releases, and of what may be registered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from control_plane.settings.section import Section

SCHEMES = ("http://", "https://", "sqlite:///")


class RegistrySettings(Section):
    """Where releases are written down, and what may be registered."""

    kind: Literal["files", "mlflow"] = Field(
        default="files",
        description="where registered releases are written down: beside the models, or in MLflow",
    )
    tracking_uri: str = Field(
        default="",
        max_length=2048,
        description="of MLflow, http://host:5000 for a server; sqlite in state_dir if not set",
    )
    poll_interval_s: float = Field(
        default=5, ge=0.2, le=3600, description="pause between two readings of the catalogue"
    )
    timeout_s: float = Field(
        default=5, ge=0.1, le=300, description="how long MLflow may take to answer"
    )
    upload_timeout_s: float = Field(
        default=300, ge=1, le=3600, description="how long a file may take on its way into MLflow"
    )
    max_onnx_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=1024,
        le=2 * 1024 * 1024 * 1024 - 1,  # what a protobuf message can hold, and so an ONNX file
        description="the largest ONNX file that may be registered",
    )
    check_timeout_s: float = Field(
        default=60, ge=1, le=3600, description="how long the check of an ONNX file may take"
    )
    check_memory_bytes: int = Field(
        default=8 * 1024 * 1024 * 1024,
        ge=512 * 1024 * 1024,
        le=1024 * 1024 * 1024 * 1024,
        description="address space of the process that checks an ONNX file",
    )

    @field_validator("tracking_uri")
    @classmethod
    def _is_a_uri(cls, value: str) -> str:
        if value and not value.startswith(SCHEMES):
            raise PydanticCustomError(
                "tracking_uri", "should begin with {schemes}", {"schemes": ", ".join(SCHEMES)}
            )
        if "@" in value:
            # Settings are printed and logged.
            raise PydanticCustomError(
                "tracking_credentials",
                "should hold no user and password; MLflow reads MLFLOW_TRACKING_USERNAME, "
                "MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN",
            )
        return value

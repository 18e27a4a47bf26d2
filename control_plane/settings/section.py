"""What every part of the settings shares."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings: immutable, and a name it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

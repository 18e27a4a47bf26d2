"""The settings of feedback: which answers are kept for it, and how much of what was said."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from control_plane.core.accuracy import MOST_PHOTOS
from control_plane.settings.section import Section


class FeedbackSettings(Section):
    """What is kept so that somebody can say later whether an answer was right."""

    keep: Literal["store", "memory", "off"] = Field(
        default="store",
        description="where answers are kept so that somebody can say later whether they were "
        "right: in the state store, in each process, or nowhere; those of jobs are kept anyway, "
        "and photos never are",
    )
    most: int = Field(
        default=100_000, ge=1, le=100_000_000, description="answers that are kept at most"
    )
    keep_s: float = Field(
        default=7 * 86_400, ge=1, le=366 * 86_400, description="how long an answer is kept"
    )
    most_judged: int = Field(
        default=5_000,
        ge=10,
        le=MOST_PHOTOS,
        description="of a release's answers, what was said of so many is kept and added up",
    )

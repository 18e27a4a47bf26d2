"""Detections that were answered at once, and what was said of answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_kept_detections()
    _make_feedback()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _make_kept_detections() -> None:
    op.create_table(
        "kept_detections",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("at_s", sa.Double(), nullable=False),
        _text("request_id"),
        _text("detection_id"),
        _text("document"),
    )
    op.create_index("kept_detections_by_age", "kept_detections", ["at_s"])
    op.create_index("kept_detections_by_request", "kept_detections", ["request_id", "number"])
    op.create_index("kept_detections_by_detection", "kept_detections", ["detection_id", "number"])


def _make_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("at_s", sa.Double(), nullable=False),
        _text("detection_id"),
        _text("request_id"),
        _text("engine"),
        _text("release"),
        sa.Column("score_f1", sa.Double()),
        sa.Column("score_count", sa.Double()),
        sa.Column("score_volume", sa.Double()),
        sa.Column("score_right", sa.Double()),
        _text("who"),
        _text("note"),
        _text("document"),
        sqlite_autoincrement=True,
    )
    op.create_index("feedback_by_detection", "feedback", ["detection_id", "engine"], unique=True)
    op.create_index("feedback_by_release", "feedback", ["engine", "release", "number"])

"""The correlation ids of the answers that are kept for feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("kept_detections", sa.Column("correlation_id", sa.Text()))
    op.create_index(
        "kept_detections_by_correlation", "kept_detections", ["correlation_id", "number"]
    )

"""What the planes tell each other of their traffic, and the confidences of reference."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "traffic_slots",
        sa.Column("plane", sa.Text(), primary_key=True, nullable=False),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        sa.Column("began_at_s", sa.Double(), nullable=False),
        sa.Column("told_at_s", sa.Double(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index("traffic_slots_by_age", "traffic_slots", ["began_at_s"])
    op.create_index("traffic_slots_by_telling", "traffic_slots", ["told_at_s"])
    op.create_table(
        "confidence_references",
        sa.Column("engine", sa.Text(), primary_key=True, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )

"""The state with its revision, the lease, the planes, and the evidence of rollouts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_state()
    _make_planes()
    _make_evidence()


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=primary_key, nullable=False)


def _make_state() -> None:
    state = op.create_table(
        "state",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _text("routing_table"),
    )
    op.create_table(
        "rollouts",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("rollout_id", sa.Text(), nullable=False, unique=True),
        _text("engine"),
        _text("document"),
    )
    op.create_index("rollouts_by_engine", "rollouts", ["engine", "number"])
    op.create_table(
        "engines",
        _text("engine", primary_key=True),
        _text("stable"),
        sa.Column("rollout_id", sa.Text(), sa.ForeignKey("rollouts.rollout_id")),
        sa.Column("trial", sa.Text()),
    )
    op.create_table("holds", _text("instance", primary_key=True), _text("document"))
    op.create_table(
        "audit",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("at_s", sa.Double(), nullable=False),
        _text("engine"),
        _text("rollout_id"),
        _text("document"),
    )
    op.create_index("audit_by_engine", "audit", ["engine", "number"])
    op.create_index("audit_by_rollout", "audit", ["rollout_id", "number"])
    op.bulk_insert(state, [{"id": 1, "revision": 0, "routing_table": "{}"}])


def _make_planes() -> None:
    lease = op.create_table(
        "lease",
        sa.Column("id", sa.Integer(), primary_key=True),
        _text("holder"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_s", sa.Double(), nullable=False),
    )
    op.create_table(
        "planes",
        _text("plane", primary_key=True),
        sa.Column("expires_at_s", sa.Double(), nullable=False),
        _text("document"),
    )
    op.bulk_insert(lease, [{"id": 1, "holder": "", "epoch": 0, "expires_at_s": 0.0}])


def _make_evidence() -> None:
    op.create_table(
        "counts",
        _text("rollout_id", primary_key=True),
        _text("plane", primary_key=True),
        _text("document"),
    )
    op.create_table(
        "tallies",
        _text("rollout_id", primary_key=True),
        sa.Column("keyed_units", sa.BigInteger(), nullable=False),
        sa.Column("assessments", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "keyed_units",
        _text("rollout_id", primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        _text("plane"),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("weight_bp", sa.Integer(), nullable=False),
        sa.Column("confidence_centre", sa.Double(), nullable=False),
        sa.Column("is_canary", sa.Boolean(), nullable=False),
        sa.Column("is_error", sa.Boolean(), nullable=False),
        sa.Column("is_slow", sa.Boolean(), nullable=False),
        sa.Column("confidence_bucket", sa.Integer()),
    )
    op.create_table(
        "assessments",
        _text("rollout_id", primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        _text("document"),
    )

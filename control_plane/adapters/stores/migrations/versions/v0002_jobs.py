"""Jobs, and the messages that carry the order to look at one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_jobs()
    _index_jobs()
    _make_job_engines()
    _make_queue()


def _text(name: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=primary_key, nullable=nullable)


def _time(name: str, *, nullable: bool = True) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=nullable)


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("job_id", sa.Text(), nullable=False, unique=True),
        sa.Column("key_digest", sa.Text(), unique=True),
        _text("state"),
        _text("priority"),
        _time("created_at_s", nullable=False),
        _time("updated_at_s", nullable=False),
        _text("correlation_digest", nullable=True),
        _text("dead", nullable=True),
        _text("error_code", nullable=True),
        sa.Column("is_undelivered", sa.Boolean()),
        _time("queued_due_at_s"),
        _time("unpublished_since_s"),
        _time("published_due_at_s"),
        _time("claim_expires_at_s"),
        _time("open_until_s"),
        _time("handover_due_at_s"),
        _time("finished_at_s"),
        _time("dead_since_s"),
        _text("document"),
        _text("answer", nullable=True),
        _text("raw", nullable=True),
    )


def _index_jobs() -> None:
    by_age = ["created_at_s", "number"]
    op.create_index("jobs_by_age", "jobs", by_age)
    op.create_index("jobs_by_state", "jobs", ["state", *by_age])
    op.create_index("jobs_by_priority", "jobs", ["priority", *by_age])
    for column, name in (
        ("correlation_digest", "jobs_by_correlation"),
        ("dead", "jobs_by_reason"),
        ("error_code", "jobs_by_code"),
        ("is_undelivered", "jobs_undelivered"),
    ):
        _index_where_set(column, name, column, *by_age)
    # By priority first, because they are counted by it.
    _index_where_set(
        "queued_due_at_s", "jobs_waiting", "priority", "created_at_s", "queued_due_at_s"
    )
    for column, name in (
        ("unpublished_since_s", "jobs_unpublished"),
        ("published_due_at_s", "jobs_published"),
        ("claim_expires_at_s", "jobs_claimed"),
        ("open_until_s", "jobs_open"),
        ("handover_due_at_s", "jobs_to_hand_over"),
        ("finished_at_s", "jobs_finished"),
        ("dead_since_s", "jobs_dead"),
    ):
        _index_where_set(column, name, column)


def _index_where_set(column: str, name: str, *columns: str) -> None:
    is_set = sa.text(f"{column} IS NOT NULL")
    op.create_index(name, "jobs", columns, sqlite_where=is_set, postgresql_where=is_set)


def _make_job_engines() -> None:
    op.create_table(
        "job_engines",
        sa.Column(
            "number",
            _NUMBER,
            sa.ForeignKey("jobs.number", ondelete="CASCADE"),
            primary_key=True,
        ),
        _text("engine_digest", primary_key=True),
        _time("created_at_s", nullable=False),
    )
    op.create_index(
        "job_engines_by_engine", "job_engines", ["engine_digest", "created_at_s", "number"]
    )


def _make_queue() -> None:
    op.create_table(
        "queue_messages",
        sa.Column("number", _NUMBER, primary_key=True),
        _text("priority"),
        _time("available_at_s", nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("in_vain", sa.Integer(), nullable=False),
        _text("holder", nullable=True),
        _text("message_id"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "queue_messages_by_priority",
        "queue_messages",
        ["priority", "available_at_s", "number", "holder"],
    )

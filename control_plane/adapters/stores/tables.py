"""The tables of the state store. How they came to be so is in ``migrations/``.

What is a value of the core is one JSON document (``documents``), beside the columns that are
asked for. The documents are text: a database's own JSON type would sort a route's weights.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

METADATA = MetaData()

# SQLite numbers rows by itself only where the column is an INTEGER.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

# One row. Who changes the state locks it, so that revisions follow one another without a gap.
state = Table(
    "state",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("routing_table", Text, nullable=False),
)

# Every rollout there ever was. number: in the order in which they began.
rollouts = Table(
    "rollouts",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("rollout_id", Text, nullable=False, unique=True),
    Column("engine", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("rollouts_by_engine", "engine", "number"),
)

engines = Table(
    "engines",
    METADATA,
    Column("engine", Text, primary_key=True),
    Column("stable", Text, nullable=False),
    Column("rollout_id", Text, ForeignKey("rollouts.rollout_id")),
    Column("trial", Text),
)

holds = Table(
    "holds",
    METADATA,
    Column("instance", Text, primary_key=True),
    Column("document", Text, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("at_s", Double, nullable=False),
    Column("engine", Text, nullable=False),
    Column("rollout_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("audit_by_engine", "engine", "number"),
    Index("audit_by_rollout", "rollout_id", "number"),
)

# One row. epoch stays when the lease is given back, so that the next one is greater.
lease = Table(
    "lease",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at_s", Double, nullable=False),
)

planes = Table(
    "planes",
    METADATA,
    Column("plane", Text, primary_key=True),
    Column("expires_at_s", Double, nullable=False),
    Column("document", Text, nullable=False),
)

# What each plane counted lately. number: of the slot, by the plane's own clock.
traffic_slots = Table(
    "traffic_slots",
    METADATA,
    Column("plane", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("began_at_s", Double, nullable=False),
    Column("told_at_s", Double, nullable=False),
    Column("document", Text, nullable=False),
    Index("traffic_slots_by_age", "began_at_s"),
    Index("traffic_slots_by_telling", "told_at_s"),
)

confidence_references = Table(
    "confidence_references",
    METADATA,
    Column("engine", Text, primary_key=True),
    Column("document", Text, nullable=False),
)

counts = Table(
    "counts",
    METADATA,
    Column("rollout_id", Text, primary_key=True),
    Column("plane", Text, primary_key=True),
    Column("document", Text, nullable=False),
)

# How many rows of a rollout were ever added below. Who adds locks it, so that numbers are seen
# in their order: a sequence's are not, and who asks for what came after one would miss some.
tallies = Table(
    "tallies",
    METADATA,
    Column("rollout_id", Text, primary_key=True),
    Column("keyed_units", BigInteger, nullable=False),
    Column("assessments", BigInteger, nullable=False),
)

# digest: 64 bits, of which a database's integer takes the first as the sign.
keyed_units = Table(
    "keyed_units",
    METADATA,
    Column("rollout_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("plane", Text, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Column("weight_bp", Integer, nullable=False),
    Column("confidence_centre", Double, nullable=False),
    Column("is_canary", Boolean, nullable=False),
    Column("is_error", Boolean, nullable=False),
    Column("is_slow", Boolean, nullable=False),
    Column("confidence_bucket", Integer),
)

assessments = Table(
    "assessments",
    METADATA,
    Column("rollout_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("document", Text, nullable=False),
)


def _where_set(column: str, name: str, *columns: str) -> Index:
    """An index of those rows alone in which a column is not empty; by it, or by others."""
    is_set = Column(column).is_not(None)
    return Index(name, *(columns or (column,)), sqlite_where=is_set, postgresql_where=is_set)


# Every job. What each column says is in ``job_columns``; those that upkeep asks for are empty
# where they do not apply, and indexed where they are not. Pages are read from the latest on: by
# when a job was accepted, and of two at the same time by the number.
jobs = Table(
    "jobs",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("job_id", Text, nullable=False, unique=True),
    Column("key_digest", Text, unique=True),
    Column("state", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("created_at_s", Double, nullable=False),
    Column("updated_at_s", Double, nullable=False),
    Column("correlation_digest", Text),
    Column("dead", Text),
    Column("error_code", Text),
    Column("is_undelivered", Boolean),
    Column("queued_due_at_s", Double),
    Column("unpublished_since_s", Double),
    Column("published_due_at_s", Double),
    Column("claim_expires_at_s", Double),
    Column("open_until_s", Double),
    Column("handover_due_at_s", Double),
    Column("finished_at_s", Double),
    Column("dead_since_s", Double),
    Column("document", Text, nullable=False),
    Column("answer", Text),
    Column("raw", Text),
    Index("jobs_by_age", "created_at_s", "number"),
    Index("jobs_by_state", "state", "created_at_s", "number"),
    Index("jobs_by_priority", "priority", "created_at_s", "number"),
    _where_set(
        "correlation_digest",
        "jobs_by_correlation",
        "correlation_digest",
        "created_at_s",
        "number",
    ),
    _where_set("dead", "jobs_by_reason", "dead", "created_at_s", "number"),
    _where_set("error_code", "jobs_by_code", "error_code", "created_at_s", "number"),
    _where_set("is_undelivered", "jobs_undelivered", "is_undelivered", "created_at_s", "number"),
    _where_set("queued_due_at_s", "jobs_waiting", "priority", "created_at_s", "queued_due_at_s"),
    _where_set("unpublished_since_s", "jobs_unpublished"),
    _where_set("published_due_at_s", "jobs_published"),
    _where_set("claim_expires_at_s", "jobs_claimed"),
    _where_set("open_until_s", "jobs_open"),
    _where_set("handover_due_at_s", "jobs_to_hand_over"),
    _where_set("finished_at_s", "jobs_finished"),
    _where_set("dead_since_s", "jobs_dead"),
)

# Which engines a job asks for; it is gone with the job.
job_engines = Table(
    "job_engines",
    METADATA,
    Column("number", _NUMBER, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True),
    Column("engine_digest", Text, primary_key=True),
    Column("created_at_s", Double, nullable=False),
    Index("job_engines_by_engine", "engine_digest", "created_at_s", "number"),
)

# The messages of the queue. available_at_s: of one in somebody's hands, when others may have it.
# in_vain: the latest deliveries, none of them settled. holder: whose hands; numbers are never used
# twice, lest an old one settles a new message.
queue_messages = Table(
    "queue_messages",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("priority", Text, nullable=False),
    Column("available_at_s", Double, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("in_vain", Integer, nullable=False),
    Column("holder", Text),
    Column("message_id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("queue_messages_by_priority", "priority", "available_at_s", "number", "holder"),
    sqlite_autoincrement=True,
)

# What was answered at once, for a while; a job's answer is in ``jobs``. Ids may come twice.
# correlation_id: not there of what an earlier Tidegate wrote.
kept_detections = Table(
    "kept_detections",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("at_s", Double, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("detection_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("correlation_id", Text),
    Index("kept_detections_by_age", "at_s"),
    Index("kept_detections_by_request", "request_id", "number"),
    Index("kept_detections_by_detection", "detection_id", "number"),
    Index("kept_detections_by_correlation", "correlation_id", "number"),
)

# What was said of answers. number: a new one also where it replaces what was said before, so that
# count and sum of numbers tell whether anything has changed. The scores are those of the judgement.
feedback = Table(
    "feedback",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("at_s", Double, nullable=False),
    Column("detection_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("score_f1", Double),
    Column("score_count", Double),
    Column("score_volume", Double),
    Column("score_right", Double),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("feedback_by_detection", "detection_id", "engine", unique=True),
    Index("feedback_by_release", "engine", "release", "number"),
    sqlite_autoincrement=True,
)

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

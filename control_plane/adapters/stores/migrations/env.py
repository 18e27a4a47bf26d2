"""What alembic runs: the steps, on the connection and in the transaction it was handed."""

from __future__ import annotations

from alembic import context

from control_plane.adapters.stores.schema import VERSION_TABLE
from control_plane.adapters.stores.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()

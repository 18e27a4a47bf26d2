"""The steps, each on top of its ``down_revision``. One that was released never changes."""

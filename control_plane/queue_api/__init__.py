"""The queue as an edge: what other services may put on it, and how it is read."""

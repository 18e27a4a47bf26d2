"""Real servers of the tests' own: each on a free port of the loopback, in its own folder."""

"""The composition root: the only place where adapters are built and wired.

    settings ─► store, catalogue ─► routes ─► fleet ─► gateway ─► detection
                       │                        │         │          │
                 leader's loops     watch, probe, scrape  gRPC       REST

``life``: start, serve until told to stop, drain, stop. ``wiring``: every part, built from the
settings; ``instances``, ``requests``, ``rollouts``, ``registration`` and ``edges`` each build the
parts that they are named for. ``opening``: the state at the start. ``options``: what each part is
told. ``checks``: what settings and repository must agree on.
"""

from control_plane.bootstrap.life import run

__all__ = ["run"]

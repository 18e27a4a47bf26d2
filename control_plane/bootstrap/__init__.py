"""The composition root: the only place where adapters are built and wired.

    settings ─► model repository ─► routes ─► fleet ─► gateway ─► detection
                                                │         │          │
                                    watch, probe, scrape  gRPC       REST

``life``: start, serve until told to stop, drain, stop. ``wiring``: every part, built from the
settings. ``options``: what each part is told. ``checks``: what settings and repository must
agree on.
"""

from control_plane.bootstrap.life import run

__all__ = ["run"]

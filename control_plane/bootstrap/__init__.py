"""The composition root: the only place where adapters are built and wired.

    settings ─► store, catalogue ─► routes ─► fleet ─► gateway ─► detection ─► jobs
                       │                        │         │          │          │
                 leader's loops     watch, probe, scrape  gRPC       REST     worker, queue

``life``: start, serve or work until told to stop, drain, stop. ``wiring``: every part, built from
the settings; ``outside`` opens what lies outside the process, and ``instances``, ``requests``,
``rollouts``, ``registration``, ``jobs`` and ``edges`` each build the parts that they are named for.
``worker``: where one is looked at. ``opening``: the state at the start. ``options``,
``job_options``: what each part is told. ``checks``: what settings and repository must agree on.
"""

from control_plane.bootstrap.life import run, run_worker

__all__ = ["run", "run_worker"]

"""The settings of `tidegate worker`: where it can be looked at."""

from __future__ import annotations

from pydantic import Field

from control_plane.settings.addresses import Host, HostNames, Port
from control_plane.settings.section import Section


class WorkerSettings(Section):
    """Where a ``tidegate worker`` answers ``/metrics``, ``/healthz``, ``/readyz`` and
    ``tidegate log-level``. It answers nothing else, and nowhere unless a port is given.
    """

    http_host: Host = Field(default="127.0.0.1", description="address that a worker listens on")
    http_port: Port | None = Field(
        default=None,
        description="port of a worker, 9002 by custom, another one for each on the same machine; "
        "0 takes any free one, and if not set it listens on nothing",
    )
    http_allowed_hosts: tuple[HostNames, ...] = Field(
        default=(),
        max_length=64,
        description="names by which a worker may be asked, as http.allowed_hosts",
    )

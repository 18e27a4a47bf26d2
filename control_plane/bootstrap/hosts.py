"""Which names a server answers to, by where it listens and what is set."""

from __future__ import annotations

from control_plane.rest_api.hosts import ANY, AllowedHosts
from control_plane.settings.addresses import is_loopback


def allowed_hosts(listens_on: str, names: tuple[str, ...], *, setting: str) -> AllowedHosts:
    """Those that are set, and the one listened on; by default any, unless only this machine can
    ask: what is behind a load balancer has names that nobody here knows.
    """
    if not names and not is_loopback(listens_on):
        return AllowedHosts((ANY,), setting)
    return AllowedHosts((listens_on.lower(), *names), setting)

"""Which addresses of hosts photos may be fetched from: public ones, and what a setting adds.

An address is public if nothing on this machine, in this network or between translators can be
behind it. For IPv6 that is turned round: global unicast (2000::/3) without what has a meaning of
its own there, so that what is assigned one day is refused until somebody looks at it.

Sources: the IANA special-purpose address registries (RFC 6890, RFC 8190), RFC 6052 (NAT64).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 is this machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, benchmarks, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
    )
)
# What a resolver on a network without IPv4 makes of an IPv4 address; the last 32 bits are it.
_NAT64 = IPv6Network("64:ff9b::/96")


def read_networks(networks: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for one that is no CIDR block."""
    return tuple(ip_network(network) for network in networks)


def is_allowed(address: str, networks: Iterable[Network]) -> bool:
    """Whether photos may come from it. networks: allowed although they are not public."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return is_public(found) or any(
        found.version == network.version and found in network for network in networks
    )


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_UNICAST_6 and not any(address in network for network in _NOT_PUBLIC_6)

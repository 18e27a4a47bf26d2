"""What an address may look like, as the types of settings."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

HIGHEST_PORT = 65_535
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
"""One part of a host's name, between dots."""

_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/@:?#\[\]\\]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)
_NAMES = re.compile(rf"\*|(\*?\.)?{LABEL}(\.{LABEL})*", re.ASCII)


def is_loopback(host: str) -> bool:
    """Whether what listens there is reached from this machine alone, by all that its text says."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_place(text: str) -> bool:
    """Whether it is a host, with or without a port; an IPv6 address in brackets."""
    matched = _PLACE.fullmatch(text)
    return matched is not None and 1 <= int(matched["port"] or 1) <= HIGHEST_PORT


def _check_host_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    has_brackets = host.startswith("[") and host.endswith("]")
    is_sound = bool(colon and bare) and not set(bare) & set("/@[] \t")
    if not is_sound or (":" in bare) != has_brackets:
        raise PydanticCustomError("host_port", "should be host:port, without a scheme")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= HIGHEST_PORT):
        raise PydanticCustomError("host_port", "should end in a port from 1 to 65535")
    return value


def _check_metrics_url(value: str) -> str:
    """A page to be scraped is named whole, in plain HTTP: Triton serves no other."""
    scheme, _, rest = value.partition("://")
    host_port, slash, path = rest.partition("/")
    is_printable = value.isascii() and value.isprintable() and not set(value) & set(" #\\")
    try:
        _check_host_port(host_port)
    except PydanticCustomError:
        is_printable = False
    if scheme != "http" or not is_printable or not (slash and path):
        raise PydanticCustomError("metrics_url", "should be http://host:port/metrics")
    return value


def _check_host_names(value: str) -> str:
    names = value.lower()
    if _NAMES.fullmatch(names) is None:
        raise PydanticCustomError(
            "host_names",
            "should be the name of a host without a port, .example.com, *.example.com or *; "
            "an address need not be named",
        )
    return names


Port = Annotated[int, Field(ge=0, le=HIGHEST_PORT)]
HostPort = Annotated[str, Field(max_length=300), AfterValidator(_check_host_port)]
MetricsUrl = Annotated[str, Field(max_length=500), AfterValidator(_check_metrics_url)]
Host = Annotated[str, Field(min_length=1, max_length=255)]
HostNames = Annotated[str, Field(max_length=255), AfterValidator(_check_host_names)]

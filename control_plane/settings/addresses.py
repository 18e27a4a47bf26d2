"""What an address may look like, as the types of settings."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

HIGHEST_PORT = 65_535

_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/@:?#\[\]\\]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)


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


Port = Annotated[int, Field(ge=0, le=HIGHEST_PORT)]
HostPort = Annotated[str, Field(max_length=300), AfterValidator(_check_host_port)]
MetricsUrl = Annotated[str, Field(max_length=500), AfterValidator(_check_metrics_url)]
Host = Annotated[str, Field(min_length=1, max_length=255)]

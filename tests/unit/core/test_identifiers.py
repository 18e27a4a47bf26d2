"""What callers may call their requests, and what the split is made by."""

from __future__ import annotations

import pytest

from control_plane.core.identifiers import check_routing_key, is_correlation_id
from control_plane.errors import InvalidArgument


@pytest.mark.parametrize("good", ["a", "Shop:42/roof_7.a-b", "x" * 128])
def test_what_fits_in_a_log_line_and_a_header_is_a_correlation_id(good: str) -> None:
    assert is_correlation_id(good)


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "a\n", "\u00fc", "{}", "\u0661"])
def test_what_does_not_is_none(bad: str) -> None:
    assert not is_correlation_id(bad)


def test_a_routing_key_is_bounded_under_the_callers_own_name_for_it() -> None:
    assert check_routing_key("k" * 128, "X-Routing-Key") == "k" * 128
    with pytest.raises(InvalidArgument) as refusal:
        check_routing_key("k" * 129, "X-Routing-Key")
    assert refusal.value.field == "X-Routing-Key"
    assert refusal.value.message == "X-Routing-Key has 129 characters; the limit is 128"

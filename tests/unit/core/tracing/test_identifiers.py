from __future__ import annotations

from random import Random

import pytest

from control_plane.core.tracing import is_chosen, new_span_id, new_trace_id


class Zero:
    def getrandbits(self, _k: int, /) -> int:
        return 0


def test_ids_have_their_length_and_differ() -> None:
    bits = Random(7)
    traces = {new_trace_id(bits) for _ in range(100)}
    spans = {new_span_id(bits) for _ in range(100)}

    assert len(traces) == len(spans) == 100
    assert {len(one) for one in traces} == {32}
    assert {len(one) for one in spans} == {16}
    assert all(int(one, 16) for one in traces | spans)


def test_no_id_is_zero() -> None:
    assert new_trace_id(Zero()) == "0" * 31 + "1"
    assert new_span_id(Zero()) == "0" * 15 + "1"
    assert new_trace_id(Zero(), epoch_s=0.0) == "0" * 31 + "1"


def test_an_id_for_xray_begins_with_the_time() -> None:
    assert new_trace_id(Random(7), epoch_s=0x5759E988 + 0.9)[:8] == "5759e988"
    assert new_trace_id(Zero(), epoch_s=2.0**32 + 5)[:8] == "00000005"


@pytest.mark.parametrize(("ratio", "low", "high"), [(0.01, 60, 140), (0.5, 4800, 5200)])
def test_as_many_are_chosen_as_the_ratio_says(ratio: float, low: int, high: int) -> None:
    bits = Random(7)
    chosen = sum(is_chosen(new_trace_id(bits, epoch_s=1e9), ratio) for _ in range(10_000))

    assert low < chosen < high


def test_all_or_none() -> None:
    first, last = "f" * 16 + "0" * 16, "0" * 16 + "f" * 16

    assert is_chosen(last, 1.0)
    assert is_chosen(first, 1e-9)
    assert not is_chosen(first, 0.0)
    assert not is_chosen(last, 1 - 1e-9)

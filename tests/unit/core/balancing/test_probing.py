"""Probes are a tenth of the first tries and one a second, and do not pile up."""

from __future__ import annotations

from control_plane.core.balancing.probing import ProbeAllowance


def spent(allowance: ProbeAllowance, tries: int, *, every_s: float) -> int:
    probes = 0
    for number in range(tries):
        allowance.earn(number * every_s)
        probes += allowance.spend()
    return probes


def test_the_first_probe_is_free_and_the_next_one_takes_ten_tries() -> None:
    allowance = ProbeAllowance(0.1, 1e-9)
    made = []
    for _ in range(21):
        allowance.earn(5.0)
        made.append(allowance.spend())
    assert [number for number, is_made in enumerate(made) if is_made] == [0, 10, 20]


def test_a_quiet_pool_earns_one_a_second() -> None:
    allowance = ProbeAllowance(0.0, 1.0)
    allowance.earn(100.0)
    assert allowance.spend()
    allowance.earn(100.99)
    assert not allowance.spend()
    allowance.earn(101.0)
    assert allowance.spend()


def test_the_stock_is_one_however_long_nobody_asked() -> None:
    allowance = ProbeAllowance(0.1, 1.0)
    allowance.earn(0.0)
    allowance.earn(3600.0)
    assert allowance.spend()
    assert not allowance.spend()


def test_a_clock_that_steps_back_earns_nothing() -> None:
    allowance = ProbeAllowance(0.0, 1.0)
    allowance.earn(10.0)
    assert allowance.spend()
    allowance.earn(5.0)
    assert not allowance.spend()


def test_share_and_floor_add_up_to_the_most_there_can_be() -> None:
    # What a whole probe leaves over is lost, for the stock is one: every tenth, not 1,100.
    assert spent(ProbeAllowance(0.1, 1.0), 10_000, every_s=0.01) == 1000

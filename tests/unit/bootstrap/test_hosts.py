"""Which names are answered to by default, and with those that the settings give."""

from __future__ import annotations

import pytest

from control_plane.bootstrap.hosts import allowed_hosts

SETTING = "worker.http_allowed_hosts"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost"])
def test_what_only_this_machine_reaches_answers_to_no_other_name(host: str) -> None:
    hosts = allowed_hosts(host, (), setting=SETTING)
    assert hosts.has("localhost:9000")
    assert not hosts.has("rebound.example:9000")
    assert hosts.setting == SETTING


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gate.example"])
def test_what_others_reach_answers_to_any_name_unless_some_are_given(host: str) -> None:
    assert allowed_hosts(host, (), setting=SETTING).has("rebound.example:9000")
    assert not allowed_hosts(host, ("a.example",), setting=SETTING).has("rebound.example:9000")


def test_names_are_added_to_the_one_listened_on() -> None:
    hosts = allowed_hosts("Gate.Example", ("a.example",), setting=SETTING)
    assert hosts.has("gate.example:9000")
    assert hosts.has("a.example:9000")
    assert allowed_hosts("127.0.0.1", ("*",), setting=SETTING).has("rebound.example:9000")

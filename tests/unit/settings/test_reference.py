"""The reference of the settings is current and whole, and its example is what Tidegate accepts."""

from __future__ import annotations

from pathlib import Path

import yaml

from control_plane.settings import Settings, flatten, load_settings
from control_plane.settings.reference import EXAMPLE, Setting, described, reference_text

FILE = Path(__file__).parents[3] / "docs" / "settings.md"


def settings() -> dict[str, Setting]:
    return {one.path: one for part in described() for one in part.settings}


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == reference_text(), (
        "write it anew: python -m control_plane.settings.reference > docs/settings.md"
    )


def test_every_setting_is_in_it_with_words() -> None:
    described_here = settings()

    assert [name for name in flatten(Settings()) if name not in described_here] == []
    assert [path for path, one in described_here.items() if not one.meaning] == []
    assert [part.path for part in described() if part.path and not part.meaning] == []


def test_settings_within_lists_and_names_are_in_it_and_have_no_variable() -> None:
    described_here = settings()

    assert described_here["instances[].grpc_url"].default == "must be given"
    assert described_here["requests.engines.*.fallback"].variable is None
    assert described_here["analysis.prometheus.queries[].condition"].variable is None


def test_a_setting_tells_its_names_kind_limits_and_default() -> None:
    described_here = settings()

    port = described_here["embedded.base_port"]
    assert (port.variable, port.flag) == ("TIDEGATE_EMBEDDED__BASE_PORT", "--triton-base-port")
    assert (port.kind, port.limits, port.default) == ("integer", "≥ 1024, ≤ 65533", "`8000`")
    wait = described_here["requests.try_timeout_s"]
    assert (wait.kind, wait.limits) == ("number, seconds", "> 0, ≤ 3600")
    assert (wait.default, wait.flag) == ("not set", None)
    assert described_here["log.format"].kind == "`auto` or `console` or `json`"
    assert described_here["cache.max_bytes"].default == "`67_108_864`"
    assert described_here["mending.enabled"].default == "`true`"


def test_what_is_secret_says_so() -> None:
    secrets = {path for path, one in settings().items() if one.is_secret}

    assert {"store.url", "queue.url", "cache.url", "s3.secret_access_key"} <= secrets
    assert {"results.webhook_secret", "analysis.prometheus.token"} <= secrets
    assert "results.webhook_url" not in secrets
    assert "tracing.headers" in secrets  # each value is one


def test_every_variable_is_one_that_is_read() -> None:
    for one in settings().values():
        if one.variable is None or one.default in ("not set", "none") or "names" in one.kind:
            continue
        value = one.default.strip("`")
        loaded = load_settings(None, {}, {one.variable: value})
        assert loaded.origins[one.path] == f"environment {one.variable}"


def test_the_example_is_valid_and_says_nothing_that_would_hold_anyway() -> None:
    loaded = load_settings(EXAMPLE, {}, {"TIDEGATE_STORE__URL": "postgresql://u:p@db/tidegate"})
    defaults = flatten(Settings())
    kept_for_show = {
        # Said although they are the defaults, for they are what one looks for.
        "rollouts.steps_percent",
        "analysis.alpha",
        "log.level",
    }

    given = {name for name, origin in loaded.origins.items() if origin.startswith("file")}
    values = flatten(loaded.settings)
    assert {name for name in given if values[name] == defaults.get(name)} == kept_for_show


def test_every_line_of_the_example_is_read() -> None:
    example = yaml.safe_load(EXAMPLE.read_text())
    loaded = load_settings(EXAMPLE, {}, {}).settings

    kept = loaded.model_dump(mode="json", exclude_unset=True)
    assert set(kept) == set(example)
    assert kept["instances"] == example["instances"]
    assert kept["analysis"] == example["analysis"]

"""``doctor``: what is wrong here, and how to mend it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, Config, Token, check_url

if TYPE_CHECKING:
    from cli.checks import Check


def doctor(
    config: Config = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar="TIDEGATE_URL",
            metavar="URL",
            show_default="that of the settings",
            callback=check_url,
            help="Address of the control plane.",
        ),
    ] = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong here, and how to mend it.

    Looks at the settings, this machine, the models, the stores, what the settings name elsewhere
    (queue, Redis, S3, webhook, Prometheus, collector), the ports and the control plane. It changes
    nothing.
    Every line is ok, warn or fail, with its remedy. Exit status 1 when one is fail.
    """
    from cli.checks import Level
    from cli.printing import print_json

    checks = _checks(config, url, token)
    is_well = all(check.level is not Level.FAIL for check in checks)
    if as_json:
        print_json({"ok": is_well, "checks": [check.as_json() for check in checks]})
    else:
        _print(checks)
    raise typer.Exit(0 if is_well else 1)


def _checks(config: Path | None, url: str | None, token: str | None) -> list[Check]:
    from cli import checks, job_checks, outside_checks, store_checks
    from cli.client import ControlPlane
    from control_plane.errors import ConfigurationError
    from control_plane.settings import load_settings

    found: list[Check] = []
    try:
        loaded = load_settings(config, {}, os.environ)
    except ConfigurationError as error:
        remedy = "mend it; tidegate config check looks again"
        found.append(checks.Check(checks.Level.FAIL, "settings", error.message, remedy))
        # The rest is looked at with the defaults: better than nothing said about it.
        loaded = load_settings(Path(os.devnull), {}, {})
    else:
        found += checks.check_settings(loaded)
    settings = loaded.settings
    here = ControlPlane(checks.url_of(settings.http), token)
    found += checks.check_machine(settings)
    found += checks.check_model_repository(settings.model_repository)
    found += store_checks.check_store(settings)
    found += store_checks.check_registry(settings)
    found += outside_checks.check_outside(settings)
    found += checks.check_ports(settings, is_running=checks.is_answering(here))
    found += checks.check_instances(settings.instances)
    asked = ControlPlane(url, token) if url else here
    return [*found, *checks.check_running(asked), *job_checks.check_jobs(asked)]


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.printing import console, style_of

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        detail = Text(check.detail)
        if check.remedy and check.level != "ok":
            detail.append(f"\n→ {check.remedy}", style="bold")
        table.add_row(Text(check.level, style=style_of(check.level)), Text(check.name), detail)
    console().print(table)

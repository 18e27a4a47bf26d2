"""``config show`` and ``config check``: what holds here, and who said so."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli.options import AsJson, Config

app = typer.Typer(
    help="Show or check the settings that hold here.", no_args_is_help=True, add_completion=False
)


@app.command()
def show(
    config: Config = None,
    as_json: AsJson = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what differs from the defaults.")
    ] = False,
) -> None:
    """Print every setting and where it came from.

    Flags win over the environment, the environment over the file. Secrets are masked.
    """
    from cli.printing import print_json, print_table, shown
    from control_plane.settings import flatten, load_settings

    loaded = load_settings(config, {}, os.environ)
    values = {
        name: value
        for name, value in flatten(loaded.settings).items()
        if not changed or loaded.origins[name] != "default"
    }
    if as_json:
        rows = {n: {"value": value, "origin": loaded.origins[n]} for n, value in values.items()}
        print_json({"settings": rows})
        return
    print_table(
        ["setting", "value", "from"],
        [[name, shown(value), loaded.origins[name]] for name, value in values.items()],
    )


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Say whether the settings are valid.

    And whether they go with the model repository, if it is here.
    Exit status 0 when they are, 1 with the field, its origin and the limit when not.
    """
    from cli.failure import Refused
    from cli.printing import print_json
    from control_plane.bootstrap.checks import check_repository
    from control_plane.errors import ConfigurationError
    from control_plane.settings import load_settings

    try:
        loaded = load_settings(config, {}, os.environ)
        if loaded.settings.model_repository.is_dir():
            check_repository(loaded.settings)
    except ConfigurationError as error:
        if not as_json:
            raise
        print_json(
            {
                "valid": False,
                "error": Refused(error.message, code=error.code, field=error.field).as_json(),
            }
        )
        raise typer.Exit(1) from None
    given = {name: origin for name, origin in loaded.origins.items() if origin != "default"}
    if as_json:
        print_json({"valid": True, "error": None})
        return
    sources = ", ".join(sorted(set(given.values()))) or "defaults alone"
    typer.echo(f"the settings are valid: {len(given)} set by {sources}")

"""The ``tidegate`` command: its commands and how their failures are told.

Commands import what they need when they run, so that ``--help`` answers at once.
Exit status: 0 done, 1 refused or failed, 2 wrong usage.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import (
    audit,
    configuration,
    detection,
    diagnosis,
    feedback,
    fleet,
    golden,
    jobs,
    log_level,
    overview,
    process,
    registration,
    releasing,
    rollout,
    trace,
)
from cli.failure import Refused, complain


class Commands(TyperGroup):
    """Tells expected errors in one line; anything else is a defect and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        from control_plane.errors import ControlPlaneError

        try:
            return super().invoke(ctx)
        except Refused as refusal:
            complain(refusal.line())
        except ControlPlaneError as error:
            complain(Refused(error.message, field=error.field).line())
        raise typer.Exit(1)


app = typer.Typer(
    name="tidegate",
    cls=Commands,
    help="Tidegate routes detection requests to engines on a fleet of Triton servers.",
    epilog="At first: `tidegate up` in one terminal, `tidegate detect PHOTO` in another. When "
    "something is wrong: `tidegate doctor`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from control_plane import __version__

        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def tidegate(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and leave.",
        ),
    ] = False,
) -> None:
    """What every command shares; the options are handled by their callbacks."""


for command in (process.up, process.serve, process.worker, detection.detect):
    app.command()(command)
app.command()(overview.status)
app.add_typer(fleet.app, name="fleet")
app.command()(overview.engines)
app.command()(overview.releases)
app.command()(registration.register)
for moving in (releasing.promote, releasing.experiment, releasing.shadow, releasing.rollback):
    app.command()(moving)
app.add_typer(rollout.app, name="rollout")
app.add_typer(jobs.app, name="jobs")
app.command()(feedback.feedback)
app.command()(feedback.accuracy)
app.command()(audit.audit)
app.command()(trace.trace)
app.command()(golden.golden)
app.command()(diagnosis.doctor)
app.command("log-level")(log_level.log_level)
app.add_typer(configuration.app, name="config")


def main() -> None:
    """Entry point of the ``tidegate`` command."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that lacks a mark shows a question mark; the word beside it says the same.
        sys.stdout.reconfigure(errors="replace")
    app()

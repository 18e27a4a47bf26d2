"""Progress bars on a terminal; where there is none, a line for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engines.training import Recipe, Report


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def counting(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that the yielded function moves on."""
    with _bar(console) as bar:
        row = bar.add_task(title, total=total, note="")
        yield lambda steps: bar.advance(row, steps)


@contextmanager
def training_progress(console: Console, recipe: Recipe, scenes: int, done: int) -> Iterator[Report]:
    """A bar over all epochs' scenes with the loss beside it."""
    with _bar(console) as bar:
        row = bar.add_task(
            f"training {recipe.engine} {recipe.version}",
            total=recipe.epochs * scenes,
            completed=done * scenes,
            note="",
        )

        def report(epoch: int, seen: int, loss: float) -> None:
            note = f"epoch {epoch + 1}/{recipe.epochs}, loss {loss:.3f}"
            bar.update(row, completed=epoch * scenes + seen, note=note)
            if not console.is_terminal and seen + recipe.batch > scenes:
                console.print(note)

        yield report

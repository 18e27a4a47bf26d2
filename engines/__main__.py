"""``python -m engines``: draw scenes, train, evaluate and export the models."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from engines import dataset as datasets
from engines import evaluation, gallery
from engines.contract import CLASSES, ENGINES, SCORE_THRESHOLDS
from engines.export import export as export_model
from engines.progress import counting, training_progress
from engines.recipes import RECIPES, RELEASES, model_path
from engines.scenes.scene import Scene
from engines.scenes.textures import encode_jpeg
from engines.task_registry import task_named
from engines.training import Recipe, Trainer

app = typer.Typer(
    help="Make the models that Tidegate serves: draw photos, train on them, measure, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()

Engine = Annotated[str, typer.Argument(help=f"The engine: {', '.join(ENGINES)}.")]
Version = Annotated[int, typer.Option(help="The model's version in the model repository.")]
Runs = Annotated[Path, typer.Option(help="Where drawn scenes and checkpoints are kept.")]
Workers = Annotated[int, typer.Option(help="Processes that draw scenes; 0 draws in this one.")]
Models = Annotated[Path, typer.Option("--models", help="The model repository.")]

_WORKERS = max(1, (os.cpu_count() or 2) - 1)


def _known(engine: str) -> str:
    if engine not in ENGINES:
        raise typer.BadParameter(f"{engine!r} is no engine: {', '.join(ENGINES)}")
    return engine


def _recipe(engine: str, version: int) -> Recipe:
    if (engine, version) not in RECIPES:
        known = [str(number) for name, number in RECIPES if name == engine]
        raise typer.BadParameter(f"{engine} has no version {version}: {', '.join(known)}")
    return RECIPES[engine, version]


def checkpoint_path(runs: Path, engine: str, version: int) -> Path:
    """Where the training of a model keeps its state."""
    return runs / f"{engine}-{version}" / "checkpoint.pt"


@app.command()
def scenes(
    engine: Engine,
    out: Annotated[Path, typer.Option(help="Folder for the JPEGs and truth.json.")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The first scene's seed.")] = 0,
    size: Annotated[str, typer.Option(help="Width x height in pixels, 640 to 4000.")] = "1280x960",
    drawn: Annotated[bool, typer.Option("--drawn", help="Draw the truth onto the photos.")] = False,
) -> None:
    """Draw scenes as JPEG files, with their exact truth in truth.json."""
    task = task_named(_known(engine))
    try:
        width, height = (int(length) for length in size.lower().split("x"))
    except ValueError as failure:
        raise typer.BadParameter(f"--size {size!r} is not like 1280x960") from failure
    if not 640 <= max(width, height) <= 4000:
        raise typer.BadParameter(f"--size {size}: the long side must be 640 to 4000 pixels")
    out.mkdir(parents=True, exist_ok=True)
    listing = []
    for number in range(seed, seed + count):
        scene = task.draw(number, (width, height))
        name = f"{engine}-{number:07d}.jpg"
        (out / name).write_bytes(_picture(scene) if drawn else encode_jpeg(scene.pixels))
        listing.append({"file": name, **_truth(scene)})
    (out / "truth.json").write_text(json.dumps(listing, indent=2) + "\n")
    console.print(f"{count} scenes and truth.json are in {out}")


def _picture(scene: Scene) -> bytes:
    volume = "" if scene.volume_m3 is None else f"{scene.volume_m3:.1f} cubic metres"
    picture = gallery.annotate(scene.pixels, scene.boxes, caption=volume)
    return encode_jpeg(np.asarray(picture, np.uint8))


def _truth(scene: Scene) -> dict[str, object]:
    return {
        "engine": scene.engine,
        "seed": scene.seed,
        "width": scene.pixels.shape[1],
        "height": scene.pixels.shape[0],
        "boxes": [asdict(box) for box in scene.boxes],
        "volume_m3": scene.volume_m3,
    }


@app.command()
def train(
    engine: Engine,
    version: Version = 1,
    runs: Runs = Path("runs"),
    workers: Workers = _WORKERS,
    threads: Annotated[int, typer.Option(min=1, help="Cores that training uses.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Layers in bfloat16: half the time where a CPU has it.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(help="Other than the recipe's.")] = None,
    scene_count: Annotated[
        int | None, typer.Option("--scenes", help="Other than the recipe's.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget an earlier checkpoint.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw the scenes anew.")] = False,
) -> None:
    """Train one model by its recipe; a run that was cut off goes on where it stopped."""
    recipe = _recipe(_known(engine), version)
    recipe = replace(recipe, epochs=epochs or recipe.epochs, scenes=scene_count or recipe.scenes)
    torch.set_num_threads(threads)
    task = task_named(engine)
    seeds = range(datasets.TRAINING_SEEDS, datasets.TRAINING_SEEDS + recipe.scenes)
    with counting(console, f"drawing {engine} scenes", recipe.scenes) as tick:
        dataset = datasets.load(
            task, seeds, runs / "cache", workers=workers, tick=tick, redraw=redraw
        )
    trainer = Trainer(task, recipe, dataset, device=device, bf16=bf16)
    checkpoint = checkpoint_path(runs, engine, version)
    if checkpoint.exists() and not fresh:
        trainer.resume(checkpoint)
        console.print(f"going on after epoch {trainer.epoch} of {recipe.epochs}")
    with training_progress(console, recipe, len(dataset), trainer.epoch) as report:
        while trainer.epoch < recipe.epochs:
            trainer.run_epoch(report)
            trainer.save(checkpoint)
    console.print(f"trained: {checkpoint}")


@app.command()
def export(
    engine: Engine,
    version: Version = 1,
    runs: Runs = Path("runs"),
    models: Models = Path("model_repository"),
) -> None:
    """Write a trained network as the ONNX file that Triton serves, and check that both agree."""
    recipe = _recipe(_known(engine), version)
    checkpoint = checkpoint_path(runs, engine, version)
    if not checkpoint.exists():
        raise typer.BadParameter(f"{checkpoint} is missing: train {engine} first")
    task = task_named(engine)
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = task.build(recipe.width)
    network.load_state_dict(saved["network"])
    path = model_path(models, engine, version)
    note = f"version {version}, trained on synthetic scenes: {saved['recipe']}"
    export_model(task, network.eval(), path, note=note)
    console.print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


@app.command()
def evaluate(
    engine: Annotated[str | None, typer.Argument(help="One engine; all when left out.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many held-out scenes.")] = 200,
    long_side: Annotated[
        tuple[int, int],
        typer.Option(metavar="MIN MAX", help="Long sides of the held-out photos, 640 to 4000."),
    ] = (640, 1600),
    runs: Runs = Path("runs"),
    workers: Workers = _WORKERS,
    models: Models = Path("model_repository"),
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Find score thresholds, on scenes of their own in the sizes of training.",
        ),
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Measure the exported files on scenes that no training has seen."""
    wanted = ENGINES if engine is None else (_known(engine),)
    if not 640 <= long_side[0] <= long_side[1] <= 4000:
        raise typer.BadParameter(f"--long-side {long_side[0]} {long_side[1]}: 640 to 4000, rising")
    found: list[evaluation.Figures] = []
    for name in wanted:
        task = task_named(name)
        first = datasets.CALIBRATION_SEEDS if calibrate else datasets.HELD_OUT_SEEDS
        seeds = range(first, first + count)
        with counting(console, f"drawing {name} scenes", count) as tick:
            dataset = datasets.load(
                task,
                seeds,
                runs / "cache",
                workers=workers,
                tick=tick,
                long_side=None if calibrate else long_side,
            )
        for version in [number for owner, number in RECIPES if owner == name]:
            path = model_path(models, name, version)
            if calibrate:
                if name in CLASSES:
                    outputs, _ = evaluation.answers(task, path, dataset)
                    best = evaluation.calibrate(name, outputs, dataset)
                    console.print(f"{name} {version}: {best:.2f}, set {SCORE_THRESHOLDS[name]:.2f}")
                continue
            found.append(evaluation.evaluate(task, version, path, dataset))
    if not calibrate:
        console.print(_table(found))
    if json_path is not None:
        json_path.write_text(json.dumps([asdict(figures) for figures in found], indent=2) + "\n")


def _table(found: list[evaluation.Figures]) -> Table:
    table = Table(title=f"{found[0].scenes} held-out scenes")
    for heading in ("engine", "release", "figure", "value"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for figures in found:
        release = RELEASES[figures.engine, figures.version]
        for name, value in figures.values.items():
            shown = f"{value:.1f}" if name.endswith("_ms") else f"{value:.3f}"
            table.add_row(figures.engine, release, name, shown)
        table.add_section()
    return table


if __name__ == "__main__":
    app()

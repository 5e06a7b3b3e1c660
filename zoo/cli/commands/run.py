"""zoo run: train a combination."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli.commands._training import follow, interrupted_at_once, is_first_process
from zoo.cli.completion import component_names, model_sources, recipe_names
from zoo.cli.help import field_option
from zoo.errors import UsageError
from zoo.registry import find_model, find_recipe, get, resolve


def run(
    generator: Annotated[
        str | None,
        typer.Option(
            "--gen", autocompletion=component_names("generator"), help="Generator, such as unet-deep:base=32."
        ),
    ] = None,
    critic: Annotated[
        str | None,
        typer.Option(
            autocompletion=component_names("critic"), help="Critic, such as patch:layers=4; none trains without."
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            autocompletion=component_names("loss", after="+*"), help="Sum of losses, such as 100*l1+adv+0.1*gram."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(autocompletion=component_names("dataset"), help="Data set, or a folder of photographs."),
    ] = None,
    augment: Annotated[
        str | None,
        field_option(
            "augment",
            "Augmentations in their order, such as crop+flip+film; or none.",
            autocompletion=component_names("augmentation", after="+"),
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        field_option(
            "optimizer",
            "Optimizer, such as adamw:weight_decay=0.01.",
            autocompletion=component_names("optimizer"),
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            "-r",
            autocompletion=recipe_names,
            help="Recipe's name, .toml file or run: it fills in what is not said here.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        field_option("size", "Side of the training crops in pixels; 64,128,256 begins with smaller ones."),
    ] = None,
    batch: Annotated[
        str | None, field_option("batch", "Pictures per step; auto: as many as memory should hold.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="End after so many rounds through the data.")] = None,
    steps: Annotated[int | None, typer.Option(help="End after so many steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End after so many minutes.")] = None,
    lr: Annotated[float | None, field_option("lr", "Learning rate.", "--lr", "--lr-g")] = None,
    lr_critic: Annotated[
        float | None, typer.Option("--lr-critic", "--lr-d", help="The critic's own learning rate.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="Who learns for how many epochs: 'generator:10 critic:2 gan:20'.")
    ] = None,
    ema_decay: Annotated[
        float | None, field_option("ema_decay", "Decay of the generator's moving average; 0: none.")
    ] = None,
    on_collapse: Annotated[
        str | None, field_option("on_collapse", "Where a run collapses: warn, stop, or rollback.")
    ] = None,
    keep_epochs: Annotated[str | None, typer.Option(help="Epochs whose model is kept for good, as in 50,100.")] = None,
    track: Annotated[
        str | None,
        typer.Option(
            autocompletion=component_names("tracker", after=","), help="Trackers, such as tensorboard,wandb,csv."
        ),
    ] = None,
    seed: Annotated[int | None, field_option("seed", "Of weights, order and crops.")] = None,
    device: Annotated[str | None, field_option("device", "auto, cuda, cuda:1, mps or cpu.")] = None,
    compile_: Annotated[
        str | None,
        field_option("compile", "torch.compile: auto (on CUDA), off, or max (with tuning).", "--compile"),
    ] = None,
    memory: Annotated[str | None, field_option("memory", "normal, or low: slower, with less memory.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="Train on so many GPUs of this machine.")] = 1,
    name: Annotated[str | None, typer.Option(help="Name of the run; by default the generator's, numbered.")] = None,
    init: Annotated[
        str | None,
        typer.Option(
            autocompletion=model_sources,
            help="Begin with this model instead of fresh weights: a name, a file, a run or hf://…",
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("runs"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other field of the recipe; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop before training, after one step on real data.")
    ] = False,
) -> None:
    """Assemble a generator, a critic, losses and a data set, and train.

    What is not said here, the recipe says. The defaults below are those of fields that the recipe leaves out, too.
    """
    given = {
        "generator": generator, "critic": critic, "loss": loss, "data": data, "augment": augment,
        "optimizer": optimizer, "size": size, "batch": batch,
        "epochs": epochs, "steps": steps, "minutes": minutes, "lr": lr, "lr_critic": lr_critic,
        "schedule": schedule, "ema_decay": ema_decay, "on_collapse": on_collapse, "keep_epochs": keep_epochs,
        "track": track, "seed": seed, "device": device, "compile": compile_, "memory": memory,
    }  # fmt: skip
    changes = {**given, **_settings(settings or [], given)}
    source = None if init is None else find_model(init)
    if source is None or recipe or generator:
        plan = resolve(find_recipe(recipe, **changes)).asked_for(recipe, changes)
    else:
        from zoo.training.fine_tuning import fine_tuning

        plan = resolve(fine_tuning(source).changed(**changes)).asked_for(None, changes, f"the recipe of {source.text}")
    if devices == 1 and is_first_process():
        _say_whose_catalogue()

    # From here on torch is needed; what was wrong until here was said without waiting for it.
    from zoo import training
    from zoo.cli.terminal import Display, print_assembly, print_dry_run

    if dry_run:
        with interrupted_at_once(), Display() as display:
            assembly, losses = training.dry_run(plan, init=source, callback=display)
        print_assembly(assembly)
        print_dry_run(losses)
        return
    follow(lambda callback: training.train(plan, runs=runs, name=name, init=source, callback=callback), devices)


def _say_whose_catalogue() -> None:
    """Say which registry.toml of a project has a say in the run, and which one has none."""
    catalogue = get().catalogue
    if catalogue.project:
        typer.echo(f"note: {catalogue.project} has a say in this run; `zoo registry` shows what it says", err=True)
    for passed_over in catalogue.passed_over:
        typer.echo(f"note: {passed_over}", err=True)


def _settings(settings: list[str], given: dict[str, Any]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise UsageError(f"--set {setting}: write --set key=value")
        if given.get(key) is not None or key in pairs:
            raise UsageError(f"--set {setting}: {key} is given twice")
        pairs[key] = value
    return pairs

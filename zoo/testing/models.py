"""Checks of a trained model: is its file there, does it load, does it colour?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from zoo.beside import Beside
from zoo.conditioning import blank_extras
from zoo.data.picture import LabPicture
from zoo.model import Model, load_critic, load_model
from zoo.photo import color
from zoo.registry.models import find_model, packaged_file
from zoo.testing.subject import Note, Subject, expect, pictures


def opener(model: str) -> Callable[[], Model]:
    """Return what loads a model, by its name or its path."""

    def load() -> Model:
        return load_model(model, "cpu")

    return load


def model_loads(subject: Subject) -> str:
    """The file is there, and its generator can be made."""
    model: Model = subject.made
    return f"a model of {model.recipe.generator.partition(':')[0]}"


def colours(subject: Subject) -> str:
    """It predicts chroma of the right shape, and not just grey."""
    model: Model = subject.made
    real: LabPicture = pictures(size=subject.size)
    extras = blank_extras(model.generator, real.lightness)
    beside = [Beside(extras={name: extra[0] for name, extra in extras.items()})] * len(real.lightness)
    chroma = model.predict(real.lightness, beside=beside)
    expect(chroma.shape == real.chroma.shape, f"it predicts {tuple(chroma.shape)}, not {tuple(real.chroma.shape)}")
    mean = float(chroma.norm(dim=1).mean() * color.AB_SCALE)
    text = f"the mean chroma of what it predicts is {mean:.3g}"
    return text if mean > 1 else Note(f"{text}: grey, to the eye")


def critic(subject: Subject) -> str:
    """The critic that it brings, if it brings one, is the file of one."""
    component = subject.component
    if component is None or not component.critic:
        return Note("it brings no critic: whoever trains on from it begins with a fresh one")
    recipe, weights = load_critic(packaged_file(component, component.critic))
    expect(all(bool(torch.isfinite(value).all()) for value in weights.values()), "its weights are not numbers")
    return f"a critic of {recipe.critic.partition(':')[0]}"


def card(subject: Subject) -> str:
    """A card stands beside it, and says under which licence it is."""
    component = subject.component
    if component is None:
        return "no plugin offers it"
    file = find_model(component.qualified).file.with_suffix(".md")
    if not file.is_file():
        return Note(f"there is no {file.name} beside it that says what it was trained on, and its licence")
    text = file.read_text(encoding="utf-8").lower()
    return file.name if "licen" in text else Note(f"{file.name} does not say its licence")

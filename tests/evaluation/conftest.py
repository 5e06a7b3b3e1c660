"""Models to judge, and photographs to judge them by."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo import Recipe, registry
from zoo.model import save_model
from zoo.registry import resolve


def save(path: Path, seed: int = 0, data: str = "scenes") -> Path:
    """Write a small model of arbitrary colours."""
    recipe = Recipe(
        generator="unet-shallow:base=4", critic="none", loss="l1", data=data, size=32, steps=1, precision="float32"
    )
    torch.manual_seed(seed)
    generator = registry.get().build("generator", recipe.generator, size=recipe.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(path, generator.state_dict(), resolve(recipe), {"images": 7})
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "models" / "one.safetensors")


@pytest.fixture
def another(tmp_path: Path) -> Path:
    return save(tmp_path / "models" / "two.safetensors", seed=1)

"""Versions of a model: the best, the newest, those of chosen epochs, and runs that begin with one."""

from __future__ import annotations

import pytest
import torch
from tiny import same, tiny, weights
from torch import Tensor

from zoo import load_model, train
from zoo.data.batch import Batch
from zoo.errors import UsageError
from zoo.training import dry_run, resume
from zoo.training.assembly import assemble
from zoo.training.checkpoint import load_checkpoint
from zoo.training.trainer import Trainer


def photos() -> Tensor:
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_milestones_and_the_best_are_kept() -> None:
    run = train(tiny(steps=20, batch=2, keep_epochs="1,2,4", lr=1e-3))
    kept = {path.name for path in run.checkpoints.iterdir()}
    assert {"step-00000005", "step-00000010", "step-00000015", "step-00000020"} >= kept
    assert {"step-00000005", "step-00000010", "step-00000020"} <= kept
    assert {path.name for path in run.path.glob("*.safetensors")} == {
        "model.safetensors", "critic.safetensors", "last.safetensors", "epoch-1.safetensors", "epoch-2.safetensors",
        "epoch-4.safetensors",
    }  # fmt: skip
    assert load_model(run.path / "epoch-1.safetensors").provenance["epochs"] == 1
    errors = {line["step"]: line["val"]["chroma_error"] for line in run.metrics if "val" in line}
    best = load_model(run.path)
    assert load_model(run.path / "last.safetensors").provenance["steps"] == 20
    assert best.provenance["steps"] == min(errors, key=lambda step: errors[step])


def test_the_moving_average_is_what_is_saved() -> None:
    trainer = Trainer(assemble(tiny(ema_decay=0.5, lr=1e-2)))
    assert trainer.ema is not None
    name = "up.0.conv.weight"
    expected = trainer.assembly.generator.state_dict()[name].clone()
    for step in range(1, 4):
        trainer.step(Batch(photos()))
        keep = min(0.5, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * trainer.assembly.generator.state_dict()[name]
    assert torch.allclose(trainer.ema.state_dict()[name], expected, atol=1e-6)
    assert trainer.eval_generator is trainer.ema
    assert Trainer(assemble(tiny(ema_decay=0))).eval_generator is not None


def test_a_run_begins_with_a_model_and_its_critic() -> None:
    first = train(tiny(ema_decay=0), name="first")
    second = train(tiny(steps=1, lr=1e-9, ema_decay=0), name="second", init=first.path)
    assert all(torch.allclose(value, weights(first)[name], atol=1e-6) for name, value in weights(second).items())
    tensors = [load_checkpoint(run.checkpoints)[0] for run in (first, second)]
    names = [name for name in tensors[0] if name.startswith("critic/")]
    assert names
    assert all(torch.allclose(tensors[0][name], tensors[1][name], atol=1e-6) for name in names)
    with pytest.raises(UsageError, match="cannot begin one of unet-shallow:base=8"):
        train(tiny(generator="unet-shallow:base=8"), init=first.model)


def test_a_dry_run_begins_with_the_model_too() -> None:
    trained = train(tiny(steps=40, lr=2e-3, critic="none", loss="l1"), name="trained")
    recipe = tiny(critic="none", loss="l1")
    fresh, begun = (dry_run(recipe, init=init)[1]["l1"] for init in (None, trained.path))
    assert begun < 0.8 * fresh
    with pytest.raises(UsageError, match="cannot begin one of unet-shallow:base=8"):
        dry_run(tiny(generator="unet-shallow:base=8"), init=trained.model)


def test_a_finished_run_is_lengthened() -> None:
    run = train(tiny(lr_decay=0), name="mine")
    with pytest.raises(UsageError, match="is finished; --extend with --epochs, --steps or --minutes lengthens it"):
        resume(run, steps=8)
    with pytest.raises(UsageError, match="--extend needs another end"):
        resume(run, extend=True)
    with pytest.raises(UsageError, match=r"has \d+ steps, .* behind it; --extend needs an end beyond that"):
        resume(run, extend=True, steps=1)
    resume(run, extend=True, steps=8)
    assert run.info["state"] == "finished"
    assert run.info["progress"]["steps"] == 8
    assert run.recipe.steps == 8
    assert same(weights(run), weights(train(tiny(steps=8, lr_decay=0), name="whole")))

"""Generators that know more: noise, hints, extras and a training forward of their own, in training."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import same, tiny
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import zoo.training.backward
from zoo import UsageError, ZooError, load_model, train
from zoo.data.batch import Batch
from zoo.photo import read_photo
from zoo.run import Run
from zoo.testing.temporary import Add, registered
from zoo.training.assembly import Assembly, assemble
from zoo.training.distributed import Distributed
from zoo.training.start import dry_run, resume
from zoo.training.trainer import Trainer
from zoo.training.validation import validate, validation_images

THEIRS = ("noisy:Noisy", "noisy:Hinted", "bins:Bins", "flow:Flow")


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Have zoo know the generators of zoo-odd, and more."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "packages" / "zoo-odd")
    with registered() as add:
        for one in THEIRS:
            add("generator", one.partition(":")[2].lower(), f"zoo_odd.{one}")
        yield add
    for name in [name for name in sys.modules if name.startswith("zoo_odd")]:
        del sys.modules[name]


def learned(run: Run) -> dict[str, Tensor]:
    return load_model(run.path / "last.safetensors", "cpu").generator.state_dict()


@pytest.mark.parametrize(
    ("generator", "more"),
    [
        ("noisy", {}),
        ("hinted", {"memory": "low", "augment": "crop+flip"}),
        ("bins", {"loss": "none", "critic": "none"}),
        ("bins", {}),
        ("flow", {"loss": "none", "critic": "none"}),
        ("flow", {"schedule": "generator:0.5 critic:0.5 gan:1"}),
    ],
    ids=["noise", "hints", "bins", "bins and critic", "flow", "flow and critic"],
)
def test_it_trains_resumes_bit_for_bit_and_colours(
    add: Add, photos: Path, generator: str, more: dict[str, Any]
) -> None:
    changes: dict[str, Any] = {"generator": generator, "val_every": 2, "lr_decay": 0, **more}
    whole = train(tiny(**changes, steps=6), name="whole")
    half = train(tiny(**changes, steps=3), name="half")
    half = resume(half, extend=True, steps=6)
    assert same(learned(whole), learned(half))
    model = load_model(whole.path, "cpu")
    first, again, other = (model.colorize(read_photo(photos / "00.png"), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (generator not in ("noisy", "flow"))
    rare = train(tiny(**changes | {"val_every": 6}, steps=6), name="rare")
    assert same(learned(whole), learned(rare))


def test_its_own_losses_are_added_under_their_names(add: Add) -> None:
    assembly, found = dry_run(tiny(generator="bins", loss="l1+adv"))
    assert set(found) == {"critic", "l1", "adv", "cross-entropy"}
    _, found = dry_run(tiny(generator="bins", loss="none", critic="none"))
    assert set(found) == {"cross-entropy"}
    assert assembly.plan.recipe.loss == "1*losses/l1+1*losses/adv" or "l1" in assembly.plan.recipe.loss


def test_without_losses_there_must_be_some_of_its_own(add: Add) -> None:
    with pytest.raises(UsageError, match=r"--loss none is for generators that bring losses .* noisy has none: write a"):
        train(tiny(generator="noisy", loss="none", critic="none"))
    with pytest.raises(UsageError, match="has no part in --loss none"):
        train(tiny(generator="bins", loss="none"))
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("chroma", r"learn\(…\) returned a tensor of shape \(4, 2, 32, 32\), expected chroma and losses by name"),
        ("(chroma, {'own': chroma})", r"the loss 'own' .* is a tensor of shape .*, expected a scalar"),
        ("(chroma, {'own': chroma.mean().detach()})", r"the loss 'own' .* is cut off from its weights"),
        ("(chroma, {1: chroma.mean()})", r"is named 1, which is no text"),
        ("(chroma[:, :1], {'own': chroma.mean()})", r"returned chroma of shape \(4, 1, 32, 32\)"),
        ("(chroma, {'l1': chroma.mean()})", r"returns a loss 'l1', as the recipe has: give it another name"),
    ],
)
def test_what_learn_returns_is_checked(add: Add, returned: str, message: str) -> None:
    class Learner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Conv2d(1, 2, 1)

        def forward(self, lightness: Tensor) -> Any:
            return self.net(lightness)

        def learn(self, real: Any) -> Any:
            return eval(returned, {"chroma": self.net(real.lightness)})

    add("generator", "learner", Learner)
    with pytest.raises(ZooError, match=message):
        dry_run(tiny(generator="learner", loss="l1+adv"))


def test_a_step_without_numbers_is_left_out(add: Add) -> None:
    class Wild(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(1, 2, 1)

        def learn(self, real: Any) -> Any:
            chroma = self(real.lightness)
            return chroma, {"own": chroma.mean() * float("nan")}

    add("generator", "wild", Wild)
    trainer = Trainer(assemble(tiny(generator="wild", loss="none", critic="none")))
    before = trainer.assembly.generator.weight.clone()
    trainer.step(Batch(photographs()))
    assert float(trainer.skipped) == 1
    assert torch.equal(trainer.assembly.generator.weight, before)


def photographs(count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)


class Guided(nn.Module):
    """Takes an extra."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(4, 2, 1)

    def forward(self, lightness: Tensor, depth: Tensor) -> Tensor:
        return self.net(torch.cat([lightness, depth], 1))


def test_extras_come_from_the_batch_in_micro_batches_too(add: Add) -> None:
    add("generator", "guided", Guided)
    assembly = assemble(tiny(generator="guided"))
    trainer = Trainer(assembly)
    batch = Batch(photographs(), extras={"depth": torch.rand(4, 3, 32, 32)})
    trainer.micro_batch = 3
    trainer.step(batch)
    assert trainer.is_healthy
    with pytest.raises(UsageError, match="the generator Guided needs the extra 'depth'"):
        trainer.step(Batch(photographs()))


def test_validation_gathers_extras_and_crops_those_of_the_photographs_size(add: Add) -> None:
    add("generator", "guided", Guided)
    assembly = assemble(tiny(generator="guided"))
    plain = assembly.val_photos

    class Beside:
        def __len__(self) -> int:
            return len(plain)

        def __getitem__(self, index: int) -> Any:
            photo = plain[index]
            return photo, {"depth": photo / 255, "era": torch.tensor(1900.0 + index)}

    assembly.val_photos = Beside()  # type: ignore[assignment]
    images = validation_images(assembly)
    assert images.photos.shape == images.extras["depth"].shape
    assert (images.extras["depth"] * 255 - images.photos).abs().max() <= 1
    assert images.extras["era"].tolist() == [1900, 1901, 1902, 1903]
    assert validate(assembly.generator, assembly, images)[0]["chroma_error"] > 0
    with pytest.raises(UsageError, match="needs the extra 'depth'"):
        dry_run(tiny(generator="guided"))


def test_validation_gives_each_picture_its_own_noise(add: Add) -> None:
    assembly = assemble(tiny(generator="noisy"))
    images = validation_images(assembly)
    before = torch.get_rng_state()
    first, one = validate(assembly.generator, assembly, images)
    torch.manual_seed(1)
    assembly.plan.recipe.__dict__["batch"] = 1
    second, other = validate(assembly.generator, assembly, images)
    # A picture of a batch of its own may differ in its last bit, which may put a pixel into the next bin.
    assert first == pytest.approx(second, rel=1e-3)
    assert not torch.equal(before, torch.get_rng_state())  # of manual_seed
    assert (one.int() - other.int()).abs().max() <= 1


@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
@pytest.mark.parametrize("generator", ["noisy", "hinted", "bins", "flow"])
def test_compiled_it_learns_the_same_and_is_compiled_once(
    add: Add, monkeypatch: pytest.MonkeyPatch, generator: str
) -> None:
    graphs = []
    compile_ = torch.compile

    def backend(graph: Any, example: Any) -> Any:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(
        torch, "compile", lambda network, mode, dynamic: compile_(network, backend=backend, dynamic=dynamic)
    )
    found = []
    for compiled in (False, True):
        monkeypatch.setattr(zoo.training.backward, "compiles", lambda wanted, device, compiled=compiled: compiled)
        trainer = Trainer(assemble(tiny(generator=generator, critic="none", loss="l1")))
        found.append([trainer.step(Batch(photographs())) for _ in range(3)])
        assert not trainer.fallback
    torch.compiler.reset()
    assert len(graphs) == 1
    for plain, fast in zip(*found, strict=True):
        assert {k: float(v) for k, v in fast.items()} == pytest.approx(
            {k: float(v) for k, v in plain.items()}, rel=1e-4
        )


def test_several_processes_share_its_gradients(add: Add, tmp_path: Path) -> None:
    assembly: Assembly = assemble(tiny(generator="flow", critic="none", loss="none"))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        trainer = Trainer(assembly)
        wrapped = Distributed(world_size=2).wrap(zoo.training.backward.learned_through(assembly.generator))
        assert isinstance(wrapped, DistributedDataParallel)
        trainer.backward._generator = wrapped
        trainer.step(Batch(photographs()))
    finally:
        torch.distributed.destroy_process_group()
    assert trainer.is_healthy

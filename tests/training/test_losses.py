"""Losses that know more than pictures: where the run is, what critics see, what they learned; and several critics."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from knowing import Rare, knowing_losses
from tiny import Notes, same, tiny, weights
from torch import Tensor, nn
from zoo_critics.model import patch

from zoo import Judgement, Run, UsageError, train
from zoo.data.batch import Batch
from zoo.model import load_critic
from zoo.registry import resolve
from zoo.training import resume
from zoo.training.assembly import assemble
from zoo.training.checkpoint import load_checkpoint
from zoo.training.distributed import Distributed
from zoo.training.trainer import Trainer

FEATURES = "patch:base=4,layers=1,norm=none,features=true"
PLAIN = "patch:base=4,layers=1,norm=none"


@pytest.fixture(autouse=True)
def _losses() -> Iterator[None]:
    with knowing_losses():
        yield


def batch(seed: int = 0) -> Batch:
    return Batch(
        torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    )


def trainer_of(**changes: Any) -> Trainer:
    return Trainer(assemble(tiny(**changes)))


class StopsAt(Notes):
    """Ask for an end, as Ctrl-C does, after the validation at a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_validation(self, step: int, *rest: Any) -> None:
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


# ------------------------------------------------------------------------------------------------- resumed, exactly


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"loss": "l1+2*ramp+adv"}, id="a ramp"),
        pytest.param({"loss": "uncertain+adv"}, id="one that learns"),
        pytest.param({"loss": "counting+adv"}, id="one that counts"),
        pytest.param({"loss": "100*rare+adv"}, id="one that looked at the photographs"),
        pytest.param({"loss": "l1+margin", "critic": FEATURES}, id="a game that learns"),
        pytest.param({"loss": "l1+relativistic"}, id="a relativistic game"),
        pytest.param({"loss": "l1+adv+feature-matching", "critic": FEATURES}, id="feature matching"),
        pytest.param({"critic": f"{PLAIN}+2*pixel:base=4,norm=none+{PLAIN}", "loss": "l1+adv:r1=1"}, id="critics"),
        pytest.param({"critic_steps": 3, "steps": 9}, id="a critic that takes more steps"),
    ],
)
def test_a_run_that_stopped_goes_on_as_if_it_had_not(changes: dict[str, Any]) -> None:
    recipe = tiny(**{"steps": 8, "val_every": 4, "lr": 1e-2, **changes})
    whole = train(recipe, name="whole")
    looked_at = Rare.looked_at
    half = train(recipe, name="half", callback=StopsAt(4))
    assert half.info["state"] == "interrupted"
    at_half = load_checkpoint(half.checkpoints)[0]
    looked_again = Rare.looked_at - looked_at
    resume(half)
    assert Rare.looked_at - looked_at == looked_again, "a run that is resumed looks at no photograph again"
    assert same(weights(half), weights(whole))
    ends = [load_checkpoint(run.checkpoints)[0] for run in (half, whole)]
    assert same(*({k: v for k, v in end.items() if k.startswith(("loss/", "critic/"))} for end in ends))
    losses = [[line["losses"] for line in run.metrics if "losses" in line][-1] for run in (half, whole)]
    assert losses[0] == losses[1]
    moved = {"loss/uncertain.log_variance", "loss/counting.calls", "loss/margin.margin"} & at_half.keys()
    assert all(not torch.equal(at_half[name], ends[0][name]) for name in moved)


def test_checkpoints_hold_what_learns_and_buffers_and_nothing_frozen() -> None:
    tensors, _ = trainer_of(loss="uncertain+counting+adv").state()
    assert {name for name in tensors if name.startswith("loss/")} == {
        "loss/uncertain.log_variance",
        "loss/counting.calls",
    }


# ------------------------------------------------------------------------------------------------- steps


def test_a_loss_sees_how_far_the_run_is() -> None:
    trainer = trainer_of(loss="l1+ramp", critic="none")
    found = [float(trainer.step(batch(), progress=progress)["ramp"]) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert found[0] == 0
    assert found[1] == pytest.approx(found[2] / 2, rel=0.05)
    assert float(trainer.now.number) == 3
    assert found[3] == pytest.approx(found[2], rel=0.05)


def test_a_penalty_sees_it_too_and_gets_plain_logits() -> None:
    trainer = trainer_of(loss="l1+margin", critic=FEATURES)
    assert [float(trainer.step(batch(), progress=p)["penalty"]) > 0 for p in (0.0, 0.5)] == [False, True]


# ------------------------------------------------------------------------------------------------- learning


def test_a_loss_learns_with_the_generators_optimizer_and_is_no_part_of_the_average() -> None:
    trainer = trainer_of(loss="uncertain+counting+adv")
    loss = trainer.assembly.objective.modules["uncertain"]
    names = trainer.optimizers["generator"].made.param_groups[0]["param_names"]
    assert names[-1] == "loss uncertain log_variance"
    for _ in range(5):
        trainer.step(batch())
    # Adam's first steps are of the learning rate's size.
    assert -loss.get_parameter("log_variance").item() == pytest.approx(5 * 2e-4, rel=0.5)
    assert torch.equal(loss.get_parameter("frozen"), torch.ones(3))
    trainer.step(batch(), "critic")
    assert trainer.assembly.objective.modules["counting"].get_buffer("calls").item() == 5


def test_what_a_loss_counted_goes_back_with_a_step_that_is_skipped() -> None:
    trainer = trainer_of(loss="l1+counting+uncertain", critic="none", ema_decay=0)
    trainer.step(batch())
    weight = next(trainer.assembly.generator.parameters())
    good = weight.detach().clone()
    before = {name: value.clone() for name, value in trainer.assembly.objective.state().items()}
    with torch.no_grad():
        weight.fill_(math.nan)
    trainer.step(batch())
    assert int(trainer.skipped) == 1
    assert same(trainer.assembly.objective.state(), before)
    with torch.no_grad():
        weight.copy_(good)
    trainer.step(batch())
    assert not same(trainer.assembly.objective.state(), before)


def test_a_model_to_begin_with_holds_nothing_of_losses() -> None:
    first = train(tiny(steps=1), name="first")
    before = Rare.looked_at
    train(tiny(loss="rare+adv", steps=1), name="second", init=first.path)
    assert Rare.looked_at > before


# ------------------------------------------------------------------------------------------------- features


def test_features_are_those_of_the_pictures_and_gradients_reach_the_generator_alone() -> None:
    trainer = trainer_of(loss="feature-matching+adv", critic=FEATURES)
    critic = trainer.assembly.critic
    assert critic is not None
    assert trainer.step(batch())["feature-matching"] > 0
    other = trainer_of(loss="feature-matching+adv", critic=FEATURES, precision="bf16")
    assert other.step(batch())["feature-matching"].dtype == torch.float32


def test_a_critic_judges_the_same_with_features_and_without() -> None:
    torch.manual_seed(0)
    bare = patch(base=4, layers=2)
    torch.manual_seed(0)
    telling = patch(base=4, layers=2, features=True)
    picture = torch.rand(2, 1, 32, 32), torch.rand(2, 2, 32, 32)
    judgement = telling(*picture)
    assert isinstance(judgement, Judgement)
    assert torch.equal(judgement.logits, bare(*picture))
    assert [features.shape[1] for features in judgement.features] == [4, 8, 16]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"critic": PLAIN}, "asks for a critic's features, and this critic offers none"),
        ({"critic": PLAIN, "schedule": "generator:1 gan:1"}, "asks for features, and this critic offers none"),
        ({"critic": "none", "loss": "l1+feature-matching"}, "there is no critic: write --critic NAME"),
    ],
)
def test_features_that_nobody_offers_are_missed_at_once(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(tiny(**{"loss": "l1+adv+feature-matching", **changes}), name="mine")
    assert not Path("runs/mine").exists()


def test_a_loss_over_features_rests_with_the_critic() -> None:
    trainer = trainer_of(loss="l1+adv+feature-matching", critic=FEATURES)
    assert trainer.step(batch(), "generator").keys() == {"l1"}
    with pytest.raises(UsageError, match="teaches a generator nothing while the critic rests"):
        trainer_of(loss="adv+feature-matching", critic=FEATURES).step(batch(), "generator")


# ------------------------------------------------------------------------------------------------- several critics


def test_several_critics_are_summed_each_with_its_weight() -> None:
    both = trainer_of(critic=f"{PLAIN}+2*pixel:base=4,norm=none")
    state = both.networks["critic"].state_dict()
    alone = []
    for name, text in (("patch", PLAIN), ("pixel", "pixel:base=4,norm=none")):
        one = trainer_of(critic=text)
        prefix = f"{name}."
        one.networks["critic"].load_state_dict(
            {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        )
        alone.append(one.step(batch()))
    found = both.step(batch())
    for name in ("adv", "critic"):
        assert found[name].item() == pytest.approx(float(alone[0][name] + 2 * alone[1][name]))
    assert {key.split(".")[0] for key in state} == {"patch", "pixel"}


def test_a_weight_of_one_critic_counts() -> None:
    once, twice = (trainer_of(critic=text).step(batch()) for text in (PLAIN, f"2*{PLAIN}"))
    assert twice["adv"].item() == pytest.approx(2 * once["adv"].item())


def test_a_run_of_several_critics_is_written_validated_and_trained_on_from() -> None:
    several = f"{PLAIN}+2*{FEATURES}"
    run = train(tiny(critic=several, steps=2, val_every=1, loss="l1+adv+feature-matching"), name="first")
    assert run.recipe.critic.startswith("1*critics/patch:base=4,layers=1,norm=none,features=false+2*critics/patch:")
    validated = [line for line in run.metrics if "critic.margin" in str(line)]
    assert validated
    tensors = load_checkpoint(run.checkpoints)[0]
    critic = {key: value for key, value in tensors.items() if key.startswith("critic/")}
    assert {key.split(".")[0] for key in critic} == {"critic/patch", "critic/patch-2"}
    recipe, saved = load_critic(run.path / "critic.safetensors")
    assert recipe.critic == run.recipe.critic
    assert saved.keys() == {key.removeprefix("critic/") for key in critic}

    notes = []

    class Begun(Notes):
        def on_start(self, run: Run, assembly: Any, step: int) -> None:
            notes.append(assembly.init_note)

    train(tiny(critic=several, steps=1), name="second", init=run.path, callback=Begun())
    train(tiny(critic=PLAIN, steps=1), name="third", init=run.path, callback=Begun())
    assert notes[0].endswith("its critic comes along")
    assert "the critic begins anew" in notes[1]


def test_critics_may_bring_plugins_and_weights() -> None:
    plan = resolve(tiny(critic="critics/patch:base=4+0.5*pixel"))
    assert [(critic.name, critic.weight) for critic in plan.critics] == [("patch", 1.0), ("pixel", 0.5)]
    assert [part.component.kind for part in plan.parts].count("critic") == 2
    assert resolve(plan.recipe).recipe == plan.recipe
    with pytest.raises(UsageError, match="pixle"):
        resolve(tiny(critic="patch+pixle"))


# ------------------------------------------------------------------------------------------------- critic_steps


def test_the_critic_takes_several_steps_to_one_of_both() -> None:
    recipe = tiny(critic_steps=3)
    assert [recipe.learning_at(0, step) for step in range(6)] == ["critic", "critic", "gan"] * 2
    staged = tiny(critic_steps=3, schedule="generator:1 critic:1 gan:1")
    assert [staged.learning_at(epoch, 0) for epoch in (0, 1, 2)] == ["generator", "critic", "critic"]
    assert tiny().learning_at(0, 0) == "gan"
    with pytest.raises(UsageError, match="critic_steps = 3 needs a critic"):
        resolve(tiny(critic_steps=3, critic="none", loss="l1"))


def test_the_generator_stays_while_the_critic_takes_its_steps() -> None:
    run = train(tiny(critic_steps=5, steps=4, ema_decay=0), name="mine")
    start = assemble(tiny()).generator.state_dict()
    assert same(weights(run), start)


# ------------------------------------------------------------------------------------------------- several processes


class TwoOfThem(Distributed):
    """One of two processes, which says what it would tell the other."""

    def __init__(self) -> None:
        super().__init__(world_size=2)
        object.__setattr__(self, "told", [])

    def wrap(self, network: nn.Module) -> nn.Module:
        return network

    def sum(self, values: Tensor) -> Tensor:
        return values

    def smallest(self, number: int, device: torch.device) -> int:
        return number

    def average(self, values: Any) -> None:
        self.told.append(list(values))  # type: ignore[attr-defined]


def test_gradients_of_what_losses_learn_are_averaged_over_processes_at_every_step() -> None:
    distributed = TwoOfThem()
    trainer = Trainer(assemble(tiny(loss="uncertain+adv")), distributed)
    for _ in range(2):
        trainer.step(Batch(batch().photos[:2]))
    first, second = distributed.told  # type: ignore[attr-defined]
    # In a first step everybody's are its own, then the wrapper takes care of the networks'.
    assert len(first) == len(trainer.backward.all_parameters)
    learned = trainer.assembly.objective.modules["uncertain"].get_parameter("log_variance")
    assert [id(gradient) for gradient in second] == [id(learned.grad)]

"""Data sets that know more: streams go on where a run stopped, extras and clips are trained with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import augmentations, same, tiny, weights
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from zoo import Recipe, Run, UsageError, ZooError, load_model, train
from zoo.data.batch import Batch
from zoo.data.feed import batches
from zoo.data.stream import Endless, StreamedCrops
from zoo.photo import read_photo
from zoo.registry import resolve
from zoo.testing import registered
from zoo.training import dry_run, resume
from zoo.training.assembly import assemble, describe
from zoo.training.batch_size import with_auto_batch
from zoo.training.checkpoint import load_checkpoint
from zoo.training.distributed import Distributed
from zoo.training.guards import CheckedStream, Form
from zoo.training.validation import validate, validation_images

CPU = torch.device("cpu")
LOADERS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")


def photograph(number: int) -> Tensor:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(number))
    smooth = torch.nn.functional.interpolate(coarse, (36, 44), mode="bilinear", align_corners=True)
    return (smooth[0] * 255).round().to(torch.uint8)


class Counting:
    """Photographs one after another, of which the first pixel is the number.

    Args:
        length: how many; 0 for no end.
        tells: whether it says so.
        starts_anew: whether it begins anew by itself.
        bad: one that cannot be read.
    """

    def __init__(
        self, *, split: str = "train", length: int = 0, tells: bool = False, starts_anew: bool = True, bad: int = -1
    ) -> None:
        self.length, self.starts_anew, self.bad = length, starts_anew, bad
        self.at, self.round = 0 if split == "train" else 1000, 0
        self.end = self.at + length if length else 10**9
        if tells:
            self.__len__ = lambda: length

    def __iter__(self) -> Iterator[Any]:
        while self.at < self.end:
            number, self.at = self.at, self.at + 1
            if number == self.bad:
                raise OSError("a cable was pulled")
            photo = photograph(number + 100 * self.round)
            photo[:, 0, 0] = number % 256
            yield photo
        if self.starts_anew:
            self.at, self.round = self.at - self.length, self.round + 1

    def state_dict(self) -> Any:
        return {"at": self.at, "round": self.round}

    def load_state_dict(self, state: Any) -> None:
        self.at, self.round = state["at"], state["round"]


class Long(Counting):
    """One that says how long it is."""

    def __len__(self) -> int:
        return self.length


def feed(
    photos: Any, *, state: Any = None, start: int = 0, workers: int = 0, rank: int = 0, of: int = 1
) -> Iterator[Batch]:
    sequence = StreamedCrops(Endless(photos), size=20, augment=augmentations("flip"), seed=3, state=state)
    return batches(sequence, batch=4 // of, start=start, workers=workers, device=CPU, rank=rank, world_size=of)


def take(count: int, photos: Any, **where: Any) -> list[Batch]:
    return list(itertools.islice(feed(photos, **where), count))


def equal(a: Batch, b: Batch) -> bool:
    return a.state == b.state and all(torch.equal(x, y) for x, y in zip(a.tensors, b.tensors, strict=True))


# ------------------------------------------------------------------------------------------------- batches


@LOADERS
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("anew", [True, False])
def test_it_goes_on_from_the_state_of_any_batch(workers: int, anew: bool) -> None:
    def made() -> Counting:
        return Counting(length=10, starts_anew=anew)

    whole = take(8, made())
    assert [batch.state["at"] for batch in whole[:3]] == [4, 8, 2]
    for past in (1, 5):
        state = whole[past - 1].state
        rest = take(3, made(), state=state, start=4 * past, workers=workers)
        assert all(equal(a, b) for a, b in zip(rest, whole[past:], strict=False))
    # After the last of a round, too.
    rest = take(3, made(), state=whole[4].state, start=20, workers=workers)
    assert all(equal(a, b) for a, b in zip(rest, whole[5:], strict=True))


def test_several_processes_deal_it_out_and_have_one_state() -> None:
    alone = take(3, Counting(length=10))
    two = [take(3, Counting(length=10), rank=rank, of=2) for rank in range(2)]
    for number, batch in enumerate(alone):
        for rank in range(2):
            mine = two[rank][number]
            assert torch.equal(mine.photos, batch.photos[rank::2])
            assert torch.equal(mine.drawn, batch.drawn[rank::2])  # type: ignore[index,arg-type]
            assert mine.state == batch.state


def test_what_cannot_be_read_is_named_and_passed_over() -> None:
    found = take(2, Counting(bad=2))
    assert found[0].problems == ("a cable was pulled",)
    assert found[1].problems == ()
    assert found[0].state["at"] == 5
    again = take(1, Counting(bad=2), state=found[0].state, start=4)
    assert equal(again[0], found[1])


def test_a_stream_that_always_fails_or_is_empty_ends() -> None:
    class Stuck(Counting):
        def __iter__(self) -> Iterator[Any]:
            raise OSError("no network")
            yield

    class Empty(Counting):
        def __iter__(self) -> Iterator[Any]:
            yield from ()

    with pytest.raises(ZooError, match="no photograph can be read any more; the last error: no network"):
        take(1, Stuck())
    with pytest.raises(ZooError, match="the stream of photographs yields none, not even from its beginning"):
        take(1, Empty())


def checked(photos: Any) -> CheckedStream:
    component = SimpleNamespace(broken=lambda text: ZooError(f"data set mine breaks its contract: {text}"))
    return CheckedStream(photos, Form(component))  # type: ignore[arg-type]


def test_its_state_must_be_json_and_its_photographs_photographs() -> None:
    class Tensors(Counting):
        def state_dict(self) -> Any:
            return {"at": torch.tensor(self.at)}

    class Floats(Counting):
        def __iter__(self) -> Iterator[Any]:
            self.at += 1
            yield torch.rand(3, 40, 40)

    with pytest.raises(ZooError, match=r"state_dict\(\) returns what JSON cannot say: .*Tensor"):
        checked(Tensors()).state_dict()
    with pytest.raises(ZooError, match=r"a photograph of the stream is torch.float32, expected torch.uint8"):
        next(iter(checked(Floats())))
    with pytest.raises(ZooError, match="cannot go on from the state it had: KeyError: 'at'"):
        checked(Counting()).load_state_dict({})


# ------------------------------------------------------------------------------------------------- runs


@pytest.fixture(autouse=True)
def components() -> Iterator[None]:
    from packages_of_others import OddClips, OddHints

    with registered() as add:
        for name, factory in {"counting": Counting, "long": Long, "clips": OddClips, "hints": OddHints}.items():
            add("dataset", name, factory)
        yield


def recipe(**changes: Any) -> Recipe:
    return tiny(**{"data": "counting:length=10", "steps": 6, "lr_decay": 0, "val_every": 4, "val_images": 3, **changes})


@LOADERS
@pytest.mark.parametrize("data", ["counting", "long:length=7", "counting:length=7,starts_anew=false"])
def test_a_run_of_a_stream_goes_on_bit_for_bit(data: str) -> None:
    whole = train(recipe(data=data), name="whole")
    for workers in (0, 1):
        half = train(recipe(data=data, steps=3, workers=workers), name=f"half-{workers}")
        resume(half, extend=True, steps=6)
        assert same(weights(whole), weights(half))
    assert same(weights(whole), weights(train(recipe(data=data, workers=1), name="loaded")))
    state = load_checkpoint(whole.checkpoints)[1]["data"]
    assert state == load_checkpoint(half.checkpoints)[1]["data"]
    assert (state["at"] - 24) % 7 == 0


def test_a_checkpoint_holds_what_was_learned_from_and_not_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(recipe(workers=1, steps=2), name="mine")
    assert load_checkpoint(run.checkpoints)[1]["data"] == {"at": 8, "round": 0}


def test_without_a_length_there_are_no_epochs() -> None:
    for change, problem in (
        ({"epochs": 2}, "so epochs means nothing: say --steps or --minutes instead"),
        ({"schedule": "gan:3"}, "so schedule means nothing"),
        ({"steps": 9, "keep_epochs": (1,)}, "so keep_epochs means nothing: leave it out"),
    ):
        with pytest.raises(UsageError, match=f"counting.* does not say how many photographs make an epoch, {problem}"):
            train(Recipe(**{**recipe().to_table(), "steps": None, **change}))
    run = train(recipe(val_every=None, steps=3), name="mine")
    assert run.info["photographs"]["train"] is None
    assert run.info["progress"]["epochs"] == 0
    assert dict(describe(assemble(recipe())))["photographs"] == "a stream for training, a stream for validation"


def test_with_a_length_there_are() -> None:
    run = train(Recipe(**{**recipe(data="long:length=8").to_table(), "steps": None, "epochs": 2}), name="mine")
    assert run.info["progress"]["steps"] == 4
    assert run.info["photographs"]["train"] == 8


def test_it_is_validated_with_its_first_photographs() -> None:
    assembly = assemble(recipe(val_images=5, data="counting:length=3"))
    images = validation_images(assembly)
    assert len(images) == 3
    assert torch.equal(validation_images(assembly).photos, images.photos)


def test_a_batch_size_is_found_and_threads_are_for_streams_and_clips_and_extras() -> None:
    for data in ("counting", "clips", "hints"):
        plan = with_auto_batch(resolve(recipe(data=data, batch="auto", steps=2)), Distributed())
        assert plan.recipe.batch >= 1
        batch = assemble(recipe(data=data)).made_up(2, 32)
        assert len(batch) == 2
        assert batch.photos.shape == (2 * batch.frames, 3, 32, 32)
        assert set(batch.extras) == ({"hints", "given", "number"} if data == "hints" else set())


def test_iterable_datasets_of_torch_are_streams() -> None:
    class Theirs(Counting, IterableDataset):  # type: ignore[type-arg]
        pass

    with registered() as add:
        add("dataset", "theirs", Theirs)
        assert train(recipe(data="theirs", steps=1)).info["state"] == "finished"


def test_what_lacks_a_state_is_no_stream() -> None:
    class Stateless:
        """A stream without a state."""

        def __init__(self, *, split: str) -> None:
            pass

        def __iter__(self) -> Iterator[Any]:
            yield photograph(0)

    with registered() as add:
        add("dataset", "stateless", Stateless)
        with pytest.raises(ZooError, match=r"the factory returns \(Stateless\) is no stream: it lacks state_dict"):
            train(recipe(data="stateless"))


@LOADERS
@pytest.mark.parametrize("data", ["hints", "clips"])
def test_runs_with_extras_and_clips_go_on_bit_for_bit(data: str) -> None:
    whole = train(recipe(data=data, batch=2, steps=6), name="whole")
    half = train(recipe(data=data, batch=2, steps=3, workers=2), name="half")
    resume(half, extend=True, steps=6)
    assert same(weights(whole), weights(half))
    assert whole.info["progress"]["images"] == 12
    dry_run(recipe(data=data))


def test_clips_are_validated_whole() -> None:
    assembly = assemble(recipe(data="clips", batch=2, val_images=3))
    images = validation_images(assembly)
    assert len(images) == 3
    assert images.frames == 3
    assert images.photos.shape == (9, 3, 32, 32)
    seen = []
    forward = assembly.generator.forward
    assembly.generator.forward = lambda lightness: seen.append(len(lightness)) or forward(lightness)  # type: ignore[method-assign,func-returns-value]
    validate(assembly.generator, assembly, images)
    assert seen == [6, 3]


def test_extras_come_along_to_validation() -> None:
    images = validation_images(assemble(recipe(data="hints")))
    assert images.extras["given"].shape == (3, 1, 32, 32)
    assert images.extras["number"].flatten().tolist() == [1000, 1004, 1007]


def test_a_run_that_is_killed_while_it_writes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(recipe(steps=9, val_every=3), name="whole")
    from zoo.training.trainer import Trainer

    step, taken = Trainer.step, []

    def dying(self: Trainer, batch: Batch, *more: Any) -> Any:
        taken.append(batch.state)
        if len(taken) == 8:
            raise RuntimeError("the power fails")
        return step(self, batch, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", dying)
        patch.setattr("zoo.training.checkpointing.Checkpointing.save_what_can_be", lambda self: None)
        with pytest.raises(RuntimeError, match="the power fails"):
            train(recipe(steps=9, val_every=3), name="mine")
    run = resume(Run.open("runs/mine"))
    assert same(weights(whole), weights(run))


# ------------------------------------------------------------------------------------------- and those who ask for them


class Moving(nn.Module):
    """Sees the frames of a clip together."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []
        self.net = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, lightness: Tensor, frames: int) -> Tensor:
        self.seen.append((len(lightness), frames))
        clips = lightness.unflatten(0, (-1, frames))
        return self.net(torch.cat([lightness, clips.mean(1, keepdim=True).expand_as(clips).flatten(0, 1)], 1))


class Marked(nn.Module):
    """Sees the mask that the data set hands over."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, lightness: Tensor, given: Tensor) -> Tensor:
        return self.net(torch.cat([lightness, given.to(lightness.dtype)], 1))


@pytest.mark.parametrize("data", ["clips", "hints"])
def test_generators_are_given_what_comes_with_the_photographs(data: str, photos: Path) -> None:
    with registered() as add:
        add("generator", "asking", Moving if data == "clips" else Marked)
        asked = recipe(data=data, generator="asking", batch=2, steps=6)
        whole = train(asked, name="whole")
        half = train(asked.changed(steps=3), name="half")
        resume(half, extend=True, steps=6)
        assert same(weights(whole), weights(half))
        assembly = assemble(asked)
        validate(assembly.generator, assembly, validation_images(assembly))
        if isinstance(assembly.generator, Moving):
            assert assembly.generator.seen == [(6, 3), (3, 3)]
            # A photograph is a clip of one.
            assert load_model(whole.path, "cpu").colorize(read_photo(photos / "00.png")).shape[0] == 3

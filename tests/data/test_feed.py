from __future__ import annotations

import errno
import itertools
import multiprocessing
import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest
import torch
from tiny import augmentations
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.data.crops import cropped
from zoo.data.feed import IndexedCrops, batches, loader_died
from zoo.errors import ZooError
from zoo.photo.scaling import central_crop, resize

CPU = torch.device("cpu")


class Numbered:
    """Photographs that show their own number; some cannot be read."""

    def __init__(self, length: int, bad: frozenset[int] = frozenset()) -> None:
        self.length, self.bad = length, bad

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        if index in self.bad:
            raise ZooError(f"{index}.jpg is gone")
        return torch.full((3, 40, 50), index, dtype=torch.uint8)


class Slope:
    """Red grows to the right, green downwards."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Tensor:
        red = torch.arange(60).repeat(40, 1) * 4
        green = torch.arange(40)[:, None].repeat(1, 60) * 6
        return torch.stack([red, green, torch.full_like(red, index)]).to(torch.uint8)


def stream(photos: object, **changes: object) -> IndexedCrops:
    return IndexedCrops(
        photos, **{"size": 16, "augment": augmentations("crop:smallest=0.5+flip"), "seed": 3, **changes}
    )  # type: ignore[arg-type]


def take(photos: object, count: int, *, start: int = 0, batch: int = 4, workers: int = 0) -> list[Tensor]:
    feed = batches(stream(photos), batch=batch, start=start, workers=workers, device=CPU)
    return [found.photos for found in itertools.islice(feed, count)]


def test_every_photograph_is_seen_once_an_epoch_in_another_order() -> None:
    numbers = torch.cat(take(Numbered(10), 5))[:, 0, 0, 0].tolist()
    first, second = numbers[:10], numbers[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first != sorted(first)


def test_going_on_from_any_position_sees_the_same_crops() -> None:
    whole = torch.cat(take(Slope(), 6, batch=3))
    for start in (1, 3, 7, 10):
        rest = torch.cat(take(Slope(), 2, start=start, batch=4))
        assert torch.equal(rest, whole[start : start + 8])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")
def test_loader_processes_change_nothing() -> None:
    assert torch.equal(torch.cat(take(Slope(), 3)), torch.cat(take(Slope(), 3, workers=2)))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")
def test_without_room_in_shared_memory_batches_come_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = torch.cat(take(Slope(), 3))

    def full(_: Tensor) -> Tensor:
        raise RuntimeError("unable to write to file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(Tensor, "share_memory_", full)
    assert torch.equal(torch.cat(take(Slope(), 3, workers=1)), expected)


def test_loaders_that_cannot_be_started_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(DataLoader, "__iter__", refused)
    with pytest.raises(ZooError, match=r"no process that loads photographs can be started \(that disk is read-only\)"):
        take(Slope(), 1, workers=1)


def test_a_loader_that_is_killed_and_does_not_answer_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    others = set(multiprocessing.active_children())
    feed = batches(stream(Slope()), batch=2, start=0, workers=1, device=torch.device("cpu"))
    next(feed)

    def unanswered(self: object) -> None:
        # It ends a moment after its sockets were closed.
        for process in set(multiprocessing.active_children()) - others:
            threading.Timer(0.1, process.kill).start()
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter._next_data", unanswered)
    with pytest.raises(RuntimeError, match=r"worker \(pid \d+\) (was|is) killed") as caught:
        next(feed)
    assert loader_died(caught.value)


def test_python_ends_though_somebody_holds_a_feed() -> None:
    program = """
import torch
from zoo import registry
from zoo.data.augmentation import Augmentations
from zoo.data.crops import cropped
from zoo.data.feed import IndexedCrops, batches
photos = registry.get().build("dataset", "scenes:side=48,length=4,val=4", split="train")
stream = IndexedCrops(photos, size=32, augment=Augmentations(), seed=0)
feed = batches(stream, batch=2, start=0, workers=1, device=torch.device("cpu"))
print(next(feed).photos.shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert "[2, 3, 32, 32]" in done.stdout


def test_another_seed_is_another_stream() -> None:
    crop, other = stream(Slope())[0][0], stream(Slope(), seed=4)[0][0]
    assert not torch.equal(crop, other)


def test_crops_are_random_squares_half_of_them_mirrored() -> None:
    found = [stream(Slope())[position] for position in range(200)]
    crops = [crop.photo.int() for crop in found]
    mirrored = Counter(crop.drawn[0] for crop in found)
    assert 70 < mirrored[1.0] < 130
    assert mirrored[0.0] + mirrored[1.0] == 200
    # Which is done later, on the device.
    assert all(crop[0, 0, -1] > crop[0, 0, 0] for crop in crops)
    assert all(crop[1, -1, 0] > crop[1, 0, 0] for crop in crops)
    spans = [float(crop[1].max() - crop[1].min()) / (40 * 6) for crop in crops]
    assert min(spans) < 0.55
    assert max(spans) > 0.85
    whole = [stream(Slope(), augment=augmentations("none"))[position][0].int() for position in range(20)]
    assert all(crop[1].max() - crop[1].min() > 200 for crop in whole)


def test_smaller_photographs_are_enlarged() -> None:
    photo = torch.full((3, 20, 30), 9, dtype=torch.uint8)
    crop = cropped(photo, 64, augmentations(), np.random.default_rng(0)).photo
    assert crop.shape == (3, 64, 64)
    assert (crop == 9).all()


def test_the_central_crop_keeps_the_aspect() -> None:
    photo = Slope()[0]
    assert torch.equal(central_crop(photo, 40), photo[:, :, 10:50])


def test_resizing_averages() -> None:
    stripes = torch.zeros(1, 8, 8)
    stripes[..., ::2] = 1
    assert torch.allclose(resize(stripes, 2, 2), torch.full((1, 2, 2), 0.5), atol=0.1)


def test_an_unreadable_photograph_is_named_and_replaced() -> None:
    found = list(
        itertools.islice(batches(stream(Numbered(6, frozenset({2}))), batch=6, start=0, workers=0, device=CPU), 2)
    )
    for batch in found:
        assert batch.problems == ("2.jpg is gone",)
        assert Counter(batch.photos[:, 0, 0, 0].tolist()) == {0: 1, 1: 1, 3: 2, 4: 1, 5: 1}


def test_when_nothing_can_be_read_any_more_the_run_is_told() -> None:
    with pytest.raises(ZooError, match=r"no photograph can be read any more; the last error: \d+.jpg is gone"):
        take(Numbered(30, frozenset(range(30))), 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_gpu_gets_the_same_batches(workers: int) -> None:
    cuda = torch.device("cuda")
    feed = batches(stream(Slope(), size=256), batch=16, start=0, workers=workers, device=cuda)
    busy, taken = torch.rand(4096, 4096, device=cuda), []
    for _ in range(20):
        photos = next(feed).photos
        busy = (busy @ busy).softmax(dim=1)  # a step that is still under way when the next batch is asked for
        taken.append(photos.clone())
    expected = batches(stream(Slope(), size=256), batch=16, start=0, workers=0, device=CPU)
    for on_gpu, on_cpu in zip(taken, expected, strict=False):
        assert torch.equal(on_gpu.cpu(), on_cpu.photos)

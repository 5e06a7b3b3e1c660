"""What data sets hand over besides photographs: extras, and the frames of clips."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import augmentations
from torch import Tensor

from zoo.data.batch import Batch
from zoo.data.cache import CachedPhotos
from zoo.data.crops import collated, cropped, middle
from zoo.data.feed import IndexedCrops, batches
from zoo.errors import ZooError
from zoo.training.guards import CheckedPhotos, Form

CPU = torch.device("cpu")


class Known:
    """Photographs of several sizes that know where each of their pixels is."""

    def __init__(self, frames: int = 0) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        height, width = 40 + index, 60
        red = torch.arange(width).repeat(height, 1) * 4
        photo = torch.stack([red, torch.full_like(red, 7), torch.full_like(red, index)]).to(torch.uint8)
        extras = {
            "map": photo[:1].float(),
            "labels": photo[:1].long(),
            "mask": photo[:1] > 100,
            "reference": photo.clone(),
            "vector": torch.tensor([index, 2.5]),
        }
        if self.frames:
            photo = (
                photo.expand(self.frames, -1, -1, -1)
                + torch.arange(self.frames, dtype=torch.uint8)[:, None, None, None]
            )
            extras = {"map": extras["map"], "each": photo[:, :1].float(), "vector": extras["vector"]}
        return photo, extras


def take(photos: Any, count: int = 3, workers: int = 0, augment: str = "crop:smallest=0.5+flip") -> list[Batch]:
    stream = IndexedCrops(photos, size=24, augment=augmentations(augment), seed=3)
    return list(itertools.islice(batches(stream, batch=4, start=0, workers=workers, device=CPU), count))


def same(a: Batch, b: Batch) -> bool:
    return a.form == b.form and all(torch.equal(x, y) for x, y in zip(a.tensors, b.tensors, strict=True))


def test_extras_of_its_size_are_cropped_as_the_photograph_is() -> None:
    for batch in take(Known()):
        red = batch.photos[:, :1].float()
        assert batch.aligned == {"map", "labels", "mask", "reference"}
        assert torch.allclose(batch.extras["map"], red, atol=0.51)
        assert torch.equal(batch.extras["reference"], batch.photos)
        labels = batch.extras["labels"]
        assert labels.dtype == torch.int64
        assert (labels % 4 == 0).all(), "nothing is mixed from labels"
        assert (labels - red).abs().max() <= 4
        assert batch.extras["mask"].dtype == torch.bool
        assert torch.equal(batch.extras["mask"], labels > 100)
        assert torch.equal(batch.extras["vector"][:, 0], batch.photos[:, 2, 0, 0].float())


def test_what_moves_pixels_moves_those_of_extras() -> None:
    augment = augmentations("crop+flip+film")
    (batch,) = take(Known(), 1, augment="crop+flip+film")
    moved = augment.moved(batch)
    mirrored = batch.drawn[:, 0] > 0.5  # type: ignore[index]
    assert mirrored.any()
    assert not mirrored.all()
    for name in batch.aligned:
        before, after = batch.extras[name], moved.extras[name]
        assert torch.equal(after[mirrored], before[mirrored].flip(-1))
        assert torch.equal(after[~mirrored], before[~mirrored])
    assert torch.equal(moved.extras["vector"], batch.extras["vector"])
    augment._made[1][1].extra = lambda tensor, drawn: tensor[:1]
    with pytest.raises(ZooError, match=r"augmentation flip .* breaks its contract: extra\(…\) returns torch"):
        augment.moved(batch)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")
@pytest.mark.parametrize("frames", [0, 3])
def test_they_are_the_same_by_way_of_loaders_and_of_the_cache(frames: int) -> None:
    plain, cache = take(Known(frames), 4), CachedPhotos(Known(frames), 10**7)
    for others in (take(Known(frames), 4, workers=2), take(cache, 4), take(cache, 4)):
        assert all(same(a, b) for a, b in zip(plain, others, strict=True))
        assert all(a.aligned == b.aligned and a.frames == b.frames for a, b in zip(plain, others, strict=True))


def test_a_clip_is_cropped_and_augmented_alike_in_all_frames() -> None:
    for batch in take(Known(3)):
        assert batch.frames == 3
        assert len(batch) == 4
        assert batch.photos.shape == (12, 3, 24, 24)
        clips = batch.photos.view(4, 3, 3, 24, 24)
        for frame in range(3):
            assert torch.allclose(clips[:, frame].float(), clips[:, 0].float() + frame, atol=1)
        assert batch.drawn is not None
        drawn = batch.drawn.view(4, 3, -1)
        assert torch.equal(drawn, drawn[:, :1].expand_as(drawn))
        assert torch.allclose(batch.extras["each"], batch.photos[:, :1].float(), atol=1)
        assert torch.allclose(batch.extras["map"].view(4, 3, 24, 24)[:, 2], clips[:, 0, 0].float(), atol=0.51)
        assert torch.equal(batch.extras["vector"][::3], batch.extras["vector"][2::3])


def test_no_clip_is_cut_apart() -> None:
    (batch,) = take(Known(3), 1)
    parts = list(batch.split(3))
    assert [len(part) for part in parts] == [3, 1]
    assert [len(part.photos) for part in parts] == [9, 3]
    assert torch.equal(torch.cat([part.photos for part in parts]), batch.photos)
    assert parts[1].frames == 3
    assert parts[1].aligned == batch.aligned
    assert same(batch[3:], parts[1])
    assert len(batch[:2]) == 2


def test_a_single_frame_is_a_clip_too() -> None:
    loaded = collated([middle(Known(1)[index], 16) for index in range(2)])
    assert loaded.frames == 1
    assert loaded.photos.shape == (2, 3, 16, 16)
    assert loaded.extras["each"].shape == (2, 1, 16, 16)


def test_smaller_masks_are_enlarged_by_whole_pixels() -> None:
    mask = torch.eye(16, dtype=torch.bool)[None]
    crop = cropped(
        (torch.zeros(3, 16, 16, dtype=torch.uint8), {"mask": mask}), 32, augmentations("none"), np.random.default_rng(0)
    )
    assert torch.equal(crop.extras["mask"], mask.repeat_interleave(2, 1).repeat_interleave(2, 2))


PHOTO = torch.zeros(3, 20, 30, dtype=torch.uint8)
FIRST = (PHOTO, {"mask": torch.zeros(1, 20, 30)})


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ([FIRST, PHOTO], "photograph 1 has the extras none, and the first one had mask: always the same names"),
        ([PHOTO, FIRST], "photograph 1 has the extras mask, and the first one had none: always the same names"),
        (
            [FIRST, (PHOTO, {"mask": torch.zeros(1, 20, 31)})],
            r"1 has the extra mask as float32 \(1, 20, 31\), and the first one as float32 \(1, H, W\): always",
        ),
        ([FIRST, (PHOTO, {"mask": torch.zeros(1, 20, 30).bool()})], r"mask as bool \(1, H, W\), and the first one as"),
        ([(PHOTO, {"mask": 3})], "the extra mask of photograph 0 is no tensor: int"),
        ([(PHOTO, {"a mask": PHOTO})], "photograph 0 has an extra named 'a mask': expected a name such as mask"),
        ([(PHOTO, PHOTO)], r"photograph 0 is a tuple of Tensor, Tensor: expected \(photograph, extras\)"),
        ([(PHOTO,)], r"photograph 0 is a tuple of Tensor: expected \(photograph, extras\)"),
        ([("photo", {})], "photograph 0 is no tensor: str"),
        ([torch.stack([PHOTO] * 2), torch.stack([PHOTO] * 3)], "a clip of 3 frames, and the first one was a clip of 2"),
        ([PHOTO, torch.stack([PHOTO])], "is a clip of 1 frames, and the first one was a single photograph"),
        ([PHOTO[None, None]], r"has the shape \(1, 1, 3, 20, 30\), expected \(3, H, W\), or \(T, 3, H, W\) of a clip"),
    ],
)  # fmt: skip
def test_what_differs_is_said(items: list[Any], problem: str) -> None:
    broken: Callable[[str], ZooError] = lambda text: ZooError(f"data set mine: {text}")  # noqa: E731
    photos = CheckedPhotos(items, Form(SimpleNamespace(broken=broken)))  # type: ignore[arg-type]
    with pytest.raises(ZooError, match=problem):
        [photos[index] for index in range(len(items))]


def test_sizes_of_photographs_may_differ() -> None:
    photos = CheckedPhotos(Known(), Form(SimpleNamespace()))  # type: ignore[arg-type]
    found = [photos[index] for index in range(6)]
    assert len({item[0].shape for item in found}) == 6


def test_what_is_unlike_a_tensor_of_pixels_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Tensor) -> Tensor:
        raise RuntimeError("No space left on device")

    expected = take(Known(), 2)
    monkeypatch.setattr("zoo.data.crops.get_worker_info", lambda: 1)
    monkeypatch.setattr(Tensor, "share_memory_", full)
    assert all(same(a, b) for a, b in zip(expected, take(Known(), 2), strict=True))

"""What a generator is given beside lightness."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.conditioning import Conditions, draw_hints, extras_taken, names_taken, noise_of
from zoo.errors import UsageError
from zoo.networks import predict_chroma

PLAIN = torch.float32


class Everything(nn.Module):
    """Takes all there is, and returns some of it."""

    multiple = 8

    def forward(self, lightness: Tensor, noise: Any, hints: Tensor, depth: Tensor, era: Tensor, strength: float = 1.0):
        assert strength == 1
        self.seen = {"noise": noise(2, *lightness.shape[2:]), "hints": hints, "depth": depth, "era": era}
        return noise(2, *lightness.shape[2:])


def test_only_what_has_no_default_is_an_extra() -> None:
    assert names_taken(Everything()) == ("noise", "hints", "depth", "era")
    assert extras_taken(Everything()) == ("depth", "era")
    assert names_taken(nn.Sequential(nn.Conv2d(1, 2, 1))) == ()

    class Learner(Everything):
        def learn(self, real: Any, noise: Any, text: Tensor) -> Any:
            return None

    assert extras_taken(Learner()) == ("depth", "era", "text")


def test_what_it_takes_is_filled_in_and_padded_as_lightness_is() -> None:
    network, lightness = Everything(), torch.rand(2, 1, 13, 16)
    depth, era = torch.rand(2, 3, 13, 16), torch.tensor([1900.0, 1950.0])
    hints = torch.ones(2, 3, 13, 16)
    conditions = Conditions(noise_of(lightness), hints, {"depth": depth, "era": era})
    predict_chroma(network, lightness, PLAIN, conditions)
    seen = network.seen
    assert seen["noise"].shape == (2, 2, 16, 16)
    assert torch.equal(seen["depth"][:, :, :13], depth)
    assert torch.equal(seen["depth"][:, :, 15], depth[:, :, 12])
    # No colour is given where there is no picture.
    assert seen["hints"][:, :, 13:].sum() == 0
    assert seen["era"] is era
    predict_chroma(network, lightness, PLAIN, Conditions(extras={"depth": depth, "era": era}))
    assert not network.seen["hints"].any()


def test_an_extra_that_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match=r"the generator Everything needs the extra 'depth' .* there is only era"):
        predict_chroma(Everything(), torch.zeros(1, 1, 8, 8), PLAIN, Conditions(extras={"era": torch.zeros(1)}))
    with pytest.raises(UsageError, match=r"needs the extra 'depth' .*and there is none"):
        predict_chroma(Everything(), torch.zeros(1, 1, 8, 8), PLAIN)


def test_noise_is_a_pictures_own() -> None:
    # Parts of one lightness each, none of them between two levels.
    levels = torch.randint(-49, 50, (3, 1, 4, 4)) / 50
    lightness = levels.repeat_interleave(5, 2).repeat_interleave(6, 3)
    draw = noise_of(lightness)
    first, second = draw(2, 5), draw(4)
    assert (first.shape, second.shape) == ((3, 2, 5), (3, 4))
    alone = noise_of(lightness[1:2])
    assert torch.equal(alone(2, 5)[0], first[1])
    assert torch.equal(alone(4)[0], second[1])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(noise_of(lightness, seed=1)(2, 5), first)
    # Another computer rounds otherwise.
    assert torch.equal(noise_of(lightness + 1e-6)(2, 5), first)
    assert abs(float(noise_of(lightness)(10000).mean())) < 0.03


def test_hints_are_means_of_small_squares() -> None:
    torch.manual_seed(0)
    chroma = torch.rand(400, 2, 32, 40) - 0.5
    hints = draw_hints(chroma)
    mask, colours = hints[:, :1], hints[:, 1:]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert not colours[(mask == 0).expand_as(colours)].any()
    given = mask.flatten(1).sum(1)
    # None at all, of one in eight; all, of one in a hundred.
    assert 0.07 < float((given == 0).float().mean()) < 0.19
    whole = given == 32 * 40
    assert 0 < int(whole.sum()) < 15
    assert torch.equal(colours[whole], chroma[whole])
    # One square alone has the mean of the colours in it.
    for picture in range(400):
        rows, columns = (mask[picture, 0].sum(dim).count_nonzero().item() for dim in (1, 0))
        if rows and rows == columns <= 9 and given[picture] == rows**2:
            inside = mask[picture, 0].bool()
            wanted = chroma[picture][:, inside].mean(1)
            assert torch.allclose(colours[picture][:, inside], wanted[:, None].expand(2, rows**2), atol=1e-5)
            break
    else:
        pytest.fail("no picture has one square")
    torch.manual_seed(0)
    torch.rand(400, 2, 32, 40)
    assert torch.equal(draw_hints(chroma), hints)
    assert draw_hints(torch.rand(2, 2, 4, 6)).shape == (2, 3, 4, 6)

"""Metrics against what others compute, and where there is nothing to divide by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from skimage.color import deltaE_ciede2000
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from zoo_metrics import parts
from zoo_metrics.colours import ABHistogram, Bins, Colourfulness, Variety
from zoo_metrics.pixels import CIEDE2000, PSNR, SSIM, ChromaError, ciede2000
from zoo_metrics.pixels import structural_similarity as ssim

from zoo.data.picture import LabPicture
from zoo.testing.subject import pictures

REAL = pictures(batch=3, size=32)
DETAILED = LabPicture.of_photos(
    torch.randint(256, (3, 3, 24, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
)

# Sharma, Wu and Dalal (2005), table 1: L*, a*, b* of two colours, and their difference.
SHARMA = [
    (50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425),
    (50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615),
    (50.0, 2.8361, -74.02, 50.0, 0.0, -82.7485, 3.4412),
    (50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0),
    (50.0, -1.1848, -84.8006, 50.0, 0.0, -82.7485, 1.0),
    (50.0, -0.9009, -85.5211, 50.0, 0.0, -82.7485, 1.0),
    (50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669),
    (50.0, -1.0, 2.0, 50.0, 0.0, 0.0, 2.3669),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0009, 7.1792),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.001, 7.1792),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0011, 7.2195),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0012, 7.2195),
    (50.0, -0.001, 2.49, 50.0, 0.0009, -2.49, 4.8045),
    (50.0, -0.001, 2.49, 50.0, 0.001, -2.49, 4.8045),
    (50.0, -0.001, 2.49, 50.0, 0.0011, -2.49, 4.7461),
    (50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065),
    (50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492),
    (50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977),
    (50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.903),
    (50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535),
    (50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0),
    (50.0, 2.5, 0.0, 50.0, 3.2972, 0.0, 1.0),
    (50.0, 2.5, 0.0, 50.0, 1.8634, 0.5757, 1.0),
    (50.0, 2.5, 0.0, 50.0, 3.2592, 0.335, 1.0),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.263),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.248, -4.962, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373),
    (36.4612, 47.858, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082),
]


def coloured(*shares: float) -> LabPicture:
    """The originals, each with so much of its chroma."""
    return LabPicture(REAL.lightness, REAL.chroma * torch.tensor(shares).view(-1, 1, 1, 1))


def test_psnr_is_the_mean_of_that_of_each_picture() -> None:
    fake = coloured(0.9, 0.5, 0.0)
    each = [
        peak_signal_noise_ratio(real.double().numpy(), one.double().numpy(), data_range=1)
        for real, one in zip(REAL.rgb, fake.rgb, strict=True)
    ]
    assert max(each) - min(each) > 10
    assert PSNR()(fake, REAL).item() == pytest.approx(np.mean(each), abs=1e-3)


def test_a_perfect_picture_does_not_make_the_others_infinite() -> None:
    each = [PSNR()(coloured(*[share] * 3), REAL).item() for share in (0.5, 1.0)]
    assert each[1] == 100
    two_right = PSNR()(coloured(1.0, 0.5, 1.0), REAL).item()
    assert each[0] < two_right < 100
    assert math.isnan(PSNR()(coloured(1.0, math.nan, 1.0), REAL))


def test_chroma_error_is_the_distance_in_lab() -> None:
    expected = 0.5 * 110 * REAL.chroma.norm(dim=1).mean()
    assert ChromaError()(coloured(0.5, 0.5, 0.5), REAL).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("metric", [Colourfulness(), Variety()])
def test_ratios_are_1_for_the_originals_0_for_grey_and_1_where_there_is_no_colour(metric: Any) -> None:
    grey = coloured(0, 0, 0)

    def ratio(fake: LabPicture, real: LabPicture) -> Tensor:
        value: Tensor = metric(fake, real)
        assert value.shape == ()
        return value

    assert ratio(REAL, REAL) == 1
    # Greys keep a little colour in float32.
    assert 0 <= ratio(grey, REAL) < 1e-3
    nothing = LabPicture(torch.full_like(REAL.lightness, -1), grey.chroma)
    assert ratio(nothing, nothing) == 1


def lab(picture: LabPicture) -> Tensor:
    return torch.cat((picture.lightness * 50 + 50, picture.chroma * 110), 1)


def test_ciede2000_is_the_papers() -> None:
    table = torch.tensor(SHARMA, dtype=torch.float64)
    for first, second in ((table[:, :3], table[:, 3:6]), (table[:, 3:6], table[:, :3])):
        assert torch.allclose(ciede2000(first, second), table[:, 6], rtol=0, atol=6e-5)


@pytest.mark.parametrize("real", [REAL, DETAILED], ids=["smooth", "detailed"])
def test_ciede2000_is_scikit_images(real: LabPicture) -> None:
    fake = LabPicture(real.lightness, real.chroma.roll(1, 0) * 1.2)
    pairs = [one.movedim(1, -1).double().numpy() for one in (lab(fake), lab(real))]
    # As many places as scikit-image divides 0 by 0 in are none.
    expected = torch.from_numpy(deltaE_ciede2000(*pairs))
    assert (ciede2000(lab(fake), lab(real)) - expected).abs().max() < 1e-3
    assert CIEDE2000()(fake, real).item() == pytest.approx(expected.mean().item(), abs=1e-4)
    assert CIEDE2000()(real, real) == 0


@pytest.mark.parametrize("real", [REAL, DETAILED], ids=["smooth", "detailed"])
def test_ssim_is_scikit_images(real: LabPicture) -> None:
    fake = LabPicture(real.lightness, 0.3 * real.chroma)
    settings = {
        "channel_axis": 0,
        "data_range": 1,
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
    }
    expected = [
        structural_similarity(a.double().numpy(), b.double().numpy(), **settings)
        for a, b in zip(fake.rgb, real.rgb, strict=True)
    ]
    assert np.abs(ssim(fake.rgb, real.rgb).numpy() - expected).max() < 1e-4
    assert SSIM()(fake, real).item() == pytest.approx(np.mean(expected), abs=1e-4)
    assert SSIM()(real, real).item() == pytest.approx(1, abs=1e-6)


def test_a_few_pictures_at_a_time_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def measure(pictures: Tensor) -> Tensor:
        calls.append(len(pictures))
        return pictures.mean(dim=(1, 2, 3))

    photos = torch.rand(5, 3, 8, 8)
    found = parts.over_parts(measure, photos, pixels=130)
    assert calls == [2, 2, 1]
    assert torch.equal(found, photos.mean(dim=(1, 2, 3)))
    assert len(parts.over_parts(measure, photos, pixels=1)) == 5


# ------------------------------------------------------------------------------------------------- which colours


def shares(picture: LabPicture) -> np.ndarray[Any, Any]:
    """The a*b* histogram, each bin ten units wide around a multiple of ten."""
    edges = np.arange(-115, 116, 10)
    each = [np.histogramdd(ab.flatten(1).T.numpy() * 110, bins=(edges, edges))[0].ravel() for ab in picture.chroma]
    total: np.ndarray[Any, Any] = sum(one / one.sum() for one in each) / len(each)
    return total


def test_ab_histogram_is_scipys_divergence() -> None:
    for fake in (coloured(0.7, 0.2, 0.9), coloured(0.01, 0.01, 0.01)):
        expected = jensenshannon(shares(fake), shares(REAL), base=2) ** 2
        assert 0.1 < expected < 1
        assert ABHistogram()(fake, REAL).item() == pytest.approx(expected, abs=1e-6)
    assert ABHistogram()(REAL, REAL) == 0
    one, other = (LabPicture(REAL.lightness, torch.full_like(REAL.chroma, value)) for value in (0.3, -0.3))
    assert ABHistogram()(one, other).item() == pytest.approx(1)


def test_bins_are_counted_by_their_entropy() -> None:
    fake, p, q = coloured(0.5, 0.5, 0.5), shares(coloured(0.5, 0.5, 0.5)), shares(REAL)
    found = Bins()(fake, REAL)
    assert found["effective"].item() == pytest.approx(np.exp(-sum(x * np.log(x) for x in p if x)), rel=1e-5)
    assert found["covered"].item() == pytest.approx(((p > 0) & (q > 0)).sum() / (q > 0).sum())
    assert Bins()(REAL, REAL)["covered"] == 1
    assert Bins()(coloured(0, 0, 0), REAL)["effective"] == 1
    # Four bins, equally full.
    four = torch.tensor([[0.3, 0.3], [0.3, -0.3], [-0.3, 0.3], [-0.3, -0.3]]).repeat(4, 1).T.reshape(1, 2, 4, 4)
    even = LabPicture(torch.zeros(1, 1, 4, 4), four)
    assert Bins()(even, even)["effective"].item() == pytest.approx(4)


@pytest.mark.parametrize("metric", [ABHistogram(), Bins()])
def test_what_is_no_number_is_not_counted(metric: Any) -> None:
    found = metric(coloured(1.0, math.nan, 1.0), REAL)
    assert all(math.isnan(value) for value in (found.values() if isinstance(found, dict) else [found]))
    assert isinstance(metric.features(coloured(1e6, -1e6, 1.0)), Tensor)  # beyond all bins


def test_every_picture_counts_as_much_as_another() -> None:
    small, large = pictures(batch=1, size=16, seed=1), pictures(batch=1, size=64, seed=2)
    for metric in (ABHistogram(), Bins(), Colourfulness(), Variety()):
        rows = torch.cat([metric.features(small), metric.features(large)])
        assert rows.shape[0] == 2
    histogram = ABHistogram().features(large)
    assert histogram.sum().item() == pytest.approx(1)
    assert np.abs(histogram[0].numpy() - shares(large)).max() < 1e-6

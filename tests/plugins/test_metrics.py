"""Metrics against what others compute, and where there is nothing to divide by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from zoo_metrics.metrics import PSNR, ChromaError, Colourfulness, Variety

from zoo.data.picture import LabPicture
from zoo.testing.subject import pictures

REAL = pictures(batch=3, size=32)


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

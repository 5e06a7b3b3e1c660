"""zoo.photo.color against scikit-image in float64, and the traps of colour conversion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import color as reference
from torch import Tensor

from zoo.photo import color


def colours(steps: int) -> Tensor:
    """A dense grid of sRGB colours, as a picture: float64 (3, steps, steps * steps)."""
    axis = torch.linspace(0, 1, steps, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, steps, -1)


def wild(count: int = 50_000, dtype: torch.dtype = torch.float64) -> Tensor:
    """L*a*b* colours of which most are far out of gamut: (3, 1, count)."""
    random = torch.rand(3, 1, count, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    low, high = torch.tensor([[0.0, -200, -200], [100, 200, 200]], dtype=torch.float64)[..., None, None]
    return (low + random * (high - low)).to(dtype)


def like_reference(picture: Tensor) -> np.ndarray:
    return picture.movedim(-3, -1).double().numpy()


# ------------------------------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_agrees_with_scikit_image(dtype: torch.dtype, tolerance: float) -> None:
    rgb = colours(41)
    lab = reference.rgb2lab(like_reference(rgb))
    assert np.abs(like_reference(color.rgb_to_lab(rgb.to(dtype))) - lab).max() < tolerance
    back = color.lab_to_rgb(torch.from_numpy(lab).movedim(-1, -3).to(dtype))
    assert back.dtype == dtype
    assert np.abs(like_reference(back) - reference.lab2rgb(lab)).max() < max(1e-9, tolerance / 100)


def test_8_bits_come_back_exactly() -> None:
    levels = torch.tensor(
        [*range(0, 256, 5), 1, 2, 3, 4, 9, 10, 11, 253, 254], dtype=torch.uint8
    )  # 11: end of the line
    rgb = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij")).reshape(3, len(levels), -1)
    lightness, chroma = color.encode(rgb)
    assert torch.equal((color.decode(lightness, chroma) * 255).round().to(torch.uint8), rgb)
    lab = color.rgb_to_lab(rgb)
    assert torch.equal(color.join(lab[:1], lab[1:]), rgb)
    assert torch.equal(color.fit_gamut(lab), lab)


def test_the_two_matrices_undo_each_other() -> None:
    product = np.array(color._TO_XYZ) @ np.array(color._FROM_XYZ)
    assert np.abs(product - np.eye(3)).max() < 1e-15


def test_units_of_the_networks() -> None:
    rgb = colours(17)
    lab = color.rgb_to_lab(rgb)
    lightness, chroma = color.encode(rgb)
    assert lightness.shape == (1, 17, 289)
    assert chroma.shape == (2, 17, 289)
    assert torch.allclose(lightness, lab[:1] / 50 - 1, atol=1e-12)
    assert torch.allclose(chroma, lab[1:] / 110, atol=1e-12)
    assert lightness.aminmax().min.item() == pytest.approx(-1)
    assert lightness.aminmax().max.item() == pytest.approx(1)
    assert chroma.abs().max() < 1
    assert torch.allclose(color.decode(lightness, chroma), rgb, atol=1e-9)


def test_any_number_of_leading_dimensions() -> None:
    rgb = colours(6).reshape(3, 6, 36)
    batch = torch.stack([rgb, rgb.flip(0)]).reshape(2, 1, 3, 6, 36)
    lab = color.rgb_to_lab(batch)
    assert lab.shape == batch.shape
    assert torch.equal(lab[0, 0], color.rgb_to_lab(rgb))
    assert torch.equal(color.fit_gamut(lab * 2)[1, 0], color.fit_gamut(lab[1, 0] * 2))
    assert color.join(lab[..., :1, :, :], lab[..., 1:, :, :]).shape == batch.shape


def test_8_bits_and_fractions_mean_the_same() -> None:
    rgb = torch.randint(0, 256, (2, 3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    for exact, converted in zip(color.encode(rgb.double() / 255), color.encode(rgb), strict=True):
        assert converted.dtype == torch.float32
        assert (exact - converted).abs().max() < 2e-6


# ------------------------------------------------------------------------------------------------- precision, gradients


def test_autocast_does_not_reach_in() -> None:
    rgb = colours(9).float()
    lab = color.rgb_to_lab(rgb)
    back = color.lab_to_rgb(lab)
    lightness, chroma = color.encode(rgb)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(color.rgb_to_lab(rgb), lab)
        assert torch.equal(color.lab_to_rgb(lab), back)
        decoded, fitted = color.decode(lightness, chroma), color.fit_gamut(lab * 2)
    assert decoded.dtype == fitted.dtype == torch.float32
    assert torch.equal(decoded, color.decode(lightness, chroma))
    assert torch.equal(fitted, color.fit_gamut(lab * 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    rgb = colours(9).to(dtype)
    assert torch.equal(color.rgb_to_lab(rgb), color.rgb_to_lab(rgb.float()))
    lightness, chroma = (part.to(dtype) for part in color.encode(rgb))
    assert torch.equal(color.decode(lightness, chroma), color.decode(lightness.float(), chroma.float()))


def test_gradients_are_finite_everywhere() -> None:
    special = torch.tensor([0, 1e-12, 0.0031308, 0.04045, 0.5, 1, -0.3, 1.7]).reshape(1, 1, -1).expand(3, 1, -1)
    rgb = torch.cat([special, colours(8).float().reshape(3, 1, -1)], -1).clone().requires_grad_()
    color.rgb_to_lab(rgb).square().sum().backward()
    assert rgb.grad is not None
    assert rgb.grad.isfinite().all()
    for clip in (True, False):
        borders = torch.tensor([[0.0, 0, 0], [100, 0, 0], [50, 200, -200], [0, 100, 100], [120, 0, 0], [-5, 0, 0]])
        lab = torch.cat([wild(dtype=torch.float32), borders.T[:, None]], -1).requires_grad_()
        color.lab_to_rgb(lab, clip=clip).square().sum().backward()
        assert lab.grad is not None
        assert lab.grad.isfinite().all()


def test_gradients_are_right() -> None:
    rgb = torch.tensor([0.01, 0.03, 0.2, 0.5, 0.9, 0.99], dtype=torch.float64).reshape(3, 1, 2).requires_grad_()
    assert torch.autograd.gradcheck(color.rgb_to_lab, (rgb,))
    lab = color.rgb_to_lab(rgb.detach()).requires_grad_()
    assert torch.autograd.gradcheck(color.lab_to_rgb, (lab,))


def test_shapes_can_be_worked_out_without_data() -> None:
    lightness, chroma = color.encode(torch.empty(2, 3, 8, 8, device="meta"))
    assert color.decode(lightness, chroma).shape == (2, 3, 8, 8)


# ------------------------------------------------------------------------------------------------- gamut


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_fitting_keeps_lightness_and_hue(dtype: torch.dtype) -> None:
    lab = wild(dtype=dtype)
    fitted = color.fit_gamut(lab)
    rgb = color.lab_to_rgb(fitted, clip=False)
    assert rgb.min() > -2e-5  # 0.005 of 255
    assert rgb.max() < 1 + 1e-5
    seen = color.rgb_to_lab(rgb.clamp(0, 1))
    assert (seen[0] - lab[0]).abs().max() < 1e-3
    coloured = seen[1:].norm(dim=0) > 1
    turned = torch.atan2(seen[2], seen[1]) - torch.atan2(lab[2], lab[1])
    turned = torch.remainder(turned + math.pi, 2 * math.pi) - math.pi
    assert turned[coloured].abs().max() < 1e-3


def test_fitting_takes_no_more_chroma_than_needed() -> None:
    lab = wild()
    fitted = color.fit_gamut(lab)
    changed = (fitted != lab).any(0)
    assert 0.5 < changed.double().mean() < 1
    middle = changed & (lab[0] > 5) & (lab[0] < 95)
    further = fitted.clone()
    further[1:] *= 1.001
    beyond = color.lab_to_rgb(further, clip=False)
    assert ((beyond < 0) | (beyond > 1)).any(0)[middle].all()


def test_fitting_leaves_the_rest_alone() -> None:
    lab = color.rgb_to_lab(colours(12).float())
    mixed = torch.cat([lab, wild(dtype=torch.float32)[..., :144].expand(3, 12, 144)], -1)
    before = mixed.clone()
    assert torch.equal(color.fit_gamut(mixed)[..., : lab.shape[-1]], lab)
    assert torch.equal(mixed, before)


def test_black_and_white_have_no_chroma() -> None:
    lab = torch.tensor([[0.0, 50, -30], [100, 50, -30]]).T[:, None]
    assert color.fit_gamut(lab)[1:].abs().max() < 1e-3
    assert color.join(lab[:1], lab[1:])[:, 0].T.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_clipping_would_change_the_lightness() -> None:
    lab = torch.tensor([50.0, -60, -170]).reshape(3, 1, 1)
    assert color.rgb_to_lab(color.lab_to_rgb(lab))[0].item() == pytest.approx(65.9, abs=0.1)
    assert color.rgb_to_lab(color.join(lab[:1], lab[1:]))[0].item() == pytest.approx(50, abs=0.2)


# ------------------------------------------------------------------------------------------------- join


def test_greys_without_chroma_stay_what_they_are() -> None:
    greys = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    assert torch.equal(color.join(color.rgb_to_lab(greys)[:1], torch.zeros(2, 1, 256)), greys)


def test_bands_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = wild(2 * 13 * 10).reshape(3, 2, 13, 10).movedim(0, 1)
    whole = color.join(lab[:, :1], lab[:, 1:])
    monkeypatch.setattr(color, "_BAND", 60)
    assert torch.equal(color.join(lab[:, :1], lab[:, 1:]), whole)


def test_joining_rounds() -> None:
    rgb = torch.full((3, 1, 1), 100.6 / 255, dtype=torch.float64)
    lab = color.rgb_to_lab(rgb)
    joined = color.join(lab[:1], lab[1:])
    assert joined.dtype == torch.uint8
    assert joined.unique().tolist() == [101]


# ------------------------------------------------------------------------------------------------- colourfulness


def test_colourfulness_is_the_papers() -> None:
    rgb = torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    rgb[1, 0] //= 4
    r, g, b = rgb.numpy().astype(np.float64).transpose(1, 0, 2, 3)
    rg, yb = r - g, (r + g) / 2 - b
    for index, measured in enumerate(color.colourfulness(rgb)):
        spread = np.hypot(rg[index].std(), yb[index].std())
        assert measured.item() == pytest.approx(spread + 0.3 * np.hypot(rg[index].mean(), yb[index].mean()), rel=1e-5)
    assert torch.allclose(color.colourfulness(rgb / 255), color.colourfulness(rgb), rtol=1e-5)
    assert color.colourfulness(rgb[0]).shape == ()


def test_colourfulness_of_the_common_implementation_is_lower() -> None:
    rgb = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    r, g, b = rgb.numpy().astype(np.float64)
    rg, yb = abs(r - g), abs((r + g) / 2 - b)
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert color.colourfulness(rgb, signed=False).item() == pytest.approx(expected, rel=1e-5)
    assert color.colourfulness(rgb, signed=False) < color.colourfulness(rgb)


def test_greys_are_not_colourful() -> None:
    assert color.colourfulness(torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8).expand(3, 8, 8)) == 0


def test_conventions_say_the_scales() -> None:
    assert f"/{color.LIGHTNESS_SCALE:g} - 1" in color.CONVENTIONS["lightness"]
    assert color.CONVENTIONS["chroma"].count(f"/{color.AB_SCALE:g}") == 2
    assert all(str(round(part, 5)).removesuffix(".0") in color.CONVENTIONS["white_point"] for part in color.WHITE)

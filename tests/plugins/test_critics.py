"""PatchGAN and PixelGAN."""

import copy

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from zoo_critics.model import Critic, patch, pixel

from zoo.errors import UsageError

NORMS = ["batch", "instance", "spectral", "none"]


def judge(critic: Critic, height: int, width: int, batch: int = 2) -> torch.Tensor:
    return critic(torch.randn(batch, 1, height, width), torch.randn(batch, 2, height, width))


def test_default_is_the_70_pixel_patchgan_of_pix2pix() -> None:
    critic = patch()
    kernels = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    assert sum(p.numel() for p in critic.parameters()) == kernels + 2 * (128 + 256 + 512) + 64 + 1 == 2_765_633
    assert judge(critic.eval(), 256, 256, batch=1).shape == (1, 1, 30, 30)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_receptive_field(layers: int, field: int) -> None:
    """Count the rows and columns that move the logit in the middle."""
    critic = patch(base=1, layers=layers, norm="none")
    for parameter in critic.parameters():
        nn.init.constant_(parameter, 0.1)
    size = 2 * field + 2 ** (layers + 3)
    lightness = torch.rand(1, 1, size, size, requires_grad=True)
    logits = critic(lightness, torch.rand(1, 2, size, size))
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    touched = lightness.grad[0, 0] != 0
    assert int(touched.any(0).sum()) == int(touched.any(1).sum()) == field


def test_pixel_looks_at_single_pixels() -> None:
    critic = pixel(base=4, norm="none")
    chroma = torch.rand(1, 2, 8, 8, requires_grad=True)
    logits = critic(torch.rand(1, 1, 8, 8), chroma)
    assert logits.shape == (1, 1, 8, 8)
    logits[0, 0, 3, 5].backward()
    assert chroma.grad[0, 0].nonzero().tolist() == [[3, 5]]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_smallest_picture(layers: int, norm: str) -> None:
    critic = patch(base=2, layers=layers, norm=norm)
    logits = judge(critic, critic.smallest, critic.smallest + 8, batch=1)
    assert logits.shape[2] == 1
    logits.sum().backward()
    with pytest.raises(UsageError, match=rf"needs at least {critic.smallest}"):
        judge(critic, critic.smallest + 8, critic.smallest - 1)


@pytest.mark.parametrize("norm", NORMS)
def test_pixel_norms(norm: str) -> None:
    critic = pixel(base=2, norm=norm)
    judge(critic, critic.smallest, critic.smallest, batch=2).sum().backward()
    assert all(p.grad is not None for p in critic.parameters())


def test_logits_are_not_squashed() -> None:
    critic = pixel(base=2)
    nn.init.constant_(critic.head.bias, 7.0)
    assert judge(critic, 4, 4).mean() > 6


def test_spectral_norm_bounds_every_weight() -> None:
    critic = patch(base=2, norm="spectral")
    for _ in range(40):
        judge(critic, 24, 24)
    for conv in [*(block.conv for block in critic.blocks), critic.head]:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_power_iteration_is_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    critic = patch(base=8, norm="spectral")
    other = copy.deepcopy(critic)
    lightness, chroma = torch.randn(1, 1, 32, 32), torch.randn(1, 2, 32, 32)
    plain = critic(lightness, chroma)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = other(lightness, chroma)
    assert logits.dtype == torch.bfloat16
    assert torch.allclose(plain, logits.float(), atol=0.02)
    for name, buffer in critic.named_buffers():
        assert torch.equal(buffer, other.get_buffer(name)), name
    logits.float().sum().backward()


@pytest.mark.parametrize("norm", NORMS)
def test_copies_and_travels_through_safetensors(norm: str) -> None:
    critic = patch(base=4, norm=norm)
    judge(critic, 32, 32)
    critic.eval()
    lightness, chroma = torch.randn(1, 1, 32, 32), torch.randn(1, 2, 32, 32)
    other = patch(base=4, norm=norm).eval()
    other.load_state_dict(load(save(critic.state_dict())))
    logits = critic(lightness, chroma)
    assert torch.equal(logits, other(lightness, chroma))
    assert torch.equal(logits, copy.deepcopy(critic)(lightness, chroma))


def test_weights_start_as_in_pix2pix() -> None:
    torch.manual_seed(0)
    for norm in ("batch", "spectral"):
        conv = patch(base=32, norm=norm).blocks[2].conv
        weight = conv.parametrizations.weight.original if norm == "spectral" else conv.weight
        assert weight.std().item() == pytest.approx(0.02, rel=0.02)

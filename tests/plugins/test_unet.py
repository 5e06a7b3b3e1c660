"""The U-Nets against pix2pix's layout."""

import copy
import itertools

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from zoo_unet import products
from zoo_unet.model import UNet, dense_gradient, unet_deep, unet_shallow
from zoo_unet.products import Doubling, Halving


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(size: int, **options: object) -> UNet:
    with torch.device("meta"):
        return unet_deep(size=size, **options)


def test_deep_has_the_layout_of_the_u_net_256() -> None:
    net = on_meta(256)
    assert [down.conv.out_channels for down in net.down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [up.conv.in_channels for up in net.up] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert [up.conv.out_channels for up in net.up] == [512, 512, 512, 512, 256, 128, 64, 2]
    assert [isinstance(down.norm, nn.BatchNorm2d) for down in net.down] == [False] + [True] * 6 + [False]
    assert [isinstance(up.norm, nn.BatchNorm2d) for up in net.up] == [True] * 7 + [False]
    assert [up.dropout.p for up in net.up] == [0.5, 0.5, 0.5, 0, 0, 0, 0, 0]
    # Where no normalization follows, a bias does.
    assert [down.conv.bias is not None for down in net.down] == [True] + [False] * 6 + [True]
    # By hand: 4×4 kernels, two parameters per normalized channel, the biases.
    widths = [1, 64, 128, 256, 512, 512, 512, 512, 512]
    kernels = sum(16 * a * b for a, b in itertools.pairwise(widths))
    kernels += 16 * (512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 2)
    norms = 2 * (128 + 256 + 4 * 512) + 2 * (4 * 512 + 256 + 128 + 64)
    assert count(net) == kernels + norms + 64 + 512 + 2 == 54_410_434


@pytest.mark.parametrize(("size", "levels"), [(16, 4), (64, 6), (100, 6), (128, 7), (256, 8), (512, 8)])
def test_deep_is_as_deep_as_the_crop_allows(size: int, levels: int) -> None:
    net = on_meta(size, base=2)
    assert len(net.down) == len(net.up) == levels
    assert net.multiple == 2**levels


def test_depth_can_be_told() -> None:
    assert on_meta(512, base=2, depth=9).multiple == 512
    assert unet_shallow(base=2).multiple == 16


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("up", ["transposed", "resize"])
def test_trains_on_one_picture_of_the_smallest_size(norm: str, up: str) -> None:
    net = unet_deep(size=32, base=2, norm=norm, up=up)
    chroma = net(torch.randn(1, 1, 32, 32))
    assert chroma.shape == (1, 2, 32, 32)
    chroma.square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_takes_pictures_that_are_not_square() -> None:
    assert unet_shallow(base=2)(torch.randn(2, 1, 32, 80)).shape == (2, 2, 32, 80)


def test_chroma_is_not_bounded() -> None:
    net = unet_shallow(base=4)
    nn.init.constant_(net.up[-1].conv.bias, 3.0)
    assert net(torch.randn(1, 1, 16, 16)).mean() > 2


def test_dropout_is_off_where_told_and_in_evaluation() -> None:
    x = torch.randn(2, 1, 64, 64)
    for net in (unet_deep(size=64, base=2, dropout=False), unet_deep(size=64, base=2).eval()):
        assert torch.equal(net(x), net(x))
    net = unet_deep(size=64, base=2)
    assert not torch.equal(net(x), net(x))


def test_weights_start_as_in_pix2pix() -> None:
    torch.manual_seed(0)
    net = unet_deep(size=64, base=16)
    conv, norm = net.down[2].conv, net.down[2].norm
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert conv.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.01)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert net.up[-1].conv.bias.tolist() == [0, 0]


def test_copies_and_travels_through_safetensors() -> None:
    net = unet_shallow(base=4).eval()
    assert {"down.0.conv.weight", "down.1.norm.running_mean", "up.3.conv.bias"} <= net.state_dict().keys()
    x = torch.randn(1, 1, 16, 16)
    other = unet_shallow(base=4).eval()
    other.load_state_dict(load(save(net.state_dict())))
    assert torch.equal(net(x), other(x))
    assert torch.equal(net(x), copy.deepcopy(net)(x))


def test_trains_under_bfloat16_autocast() -> None:
    net = unet_shallow(base=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        chroma = net(torch.randn(2, 1, 16, 16))
    assert chroma.dtype == torch.bfloat16
    chroma.float().square().sum().backward()
    assert net.down[0].conv.weight.grad.isfinite().all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_slices_are_handed_back_without_gaps(layout: torch.memory_format) -> None:
    seen: list[Tensor] = []
    skip, x = (torch.rand(2, 3, 4, 4).to(memory_format=layout).requires_grad_() for _ in range(2))
    inner = x * 2
    inner.register_hook(seen.append)
    weight = torch.rand(2, 6, 4, 4).to(memory_format=layout)
    (torch.cat([skip, dense_gradient(inner)], dim=1) * weight).sum().backward()
    assert torch.equal(seen[0], weight[:, 3:])
    assert not weight[:, 3:].is_contiguous(memory_format=layout)
    assert seen[0].is_contiguous(memory_format=layout)


@pytest.mark.parametrize("layer", [Halving, Doubling])
@pytest.mark.parametrize("bias", [False, True])
def test_products_are_the_convolutions_they_stand_for(
    layer: type[Halving | Doubling], bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = layer(3, 5, bias=bias).double().to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    inputs = (x, *conv.parameters())

    def taken(windows: int) -> list[Tensor]:
        """The output, and its first and second derivatives."""
        monkeypatch.setattr(products, "MOST_WINDOWS", windows)
        y = conv(x)
        slopes = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        return [y, *slopes, *torch.autograd.grad(slopes[0].square().sum(), inputs[:2])]

    calls: list[Tensor] = []
    monkeypatch.setattr(products, "_matrix", lambda weight, real=products._matrix: calls.append(weight) or real(weight))
    as_products = taken(2 * 4 * 6)
    assert calls
    calls.clear()
    as_convolutions = taken(0)
    assert not calls
    for one, other in zip(as_products, as_convolutions, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def test_products_keep_to_weights_that_lie_as_they_need() -> None:
    conv, x = Halving(3, 5, bias=False), torch.randn(1, 3, 4, 4)
    assert not products._as_products(conv.weight, x, 4)
    conv.to(memory_format=torch.channels_last)
    assert products._as_products(conv.weight, x, 4)
    assert products._matrix(conv.weight).data_ptr() == conv.weight.data_ptr()
    assert not products._as_products(conv.weight, x, products.MOST_WINDOWS + 1)
    assert not products._as_products(conv.weight.to("meta"), x.to("meta"), 4)

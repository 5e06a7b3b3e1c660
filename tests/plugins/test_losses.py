"""Losses against values worked out by hand."""

import copy
import gc
import math
import warnings
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny import tiny
from torch import Tensor, nn
from zoo_losses import plugin
from zoo_losses.adversarial import CrossEntropy, Hinge, LeastSquares
from zoo_losses.image import L1, L2, Distance, SmoothL1

from zoo.data.batch import Batch
from zoo.errors import UsageError, ZooError
from zoo.training.assembly import assemble
from zoo.training.trainer import Trainer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what third parties warn about while they are imported
    from zoo_losses.perceptual import Gram, Perceptual, gram

    from zoo import features


NET = "test_resnet"


class StandIn:
    """A picture with chroma, or with colours, of one's choice."""

    def __init__(self, chroma: Tensor | None = None, rgb: Tensor | None = None) -> None:
        self.chroma = torch.zeros(1, 2, 4, 4) if chroma is None else chroma
        self.lightness = torch.zeros_like(self.chroma[:, :1])
        self.rgb = torch.zeros(1, 3, 4, 4) if rgb is None else rgb
        self.computed: dict[Hashable, Any] = {}

    def cached(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key not in self.computed:
            self.computed[key] = compute()
        return self.computed[key]


def test_pixel_losses() -> None:
    real = StandIn(torch.zeros(2, 2, 4, 4))
    chroma = torch.zeros(2, 2, 4, 4)
    chroma[0, 0] = 0.4
    chroma[1, 1] = -0.2
    fake = StandIn(chroma)
    assert L1()(fake, real).item() == pytest.approx((0.4 + 0.2) / 4)
    assert L2()(fake, real).item() == pytest.approx((0.16 + 0.04) / 4)
    # Above beta |e| - beta/2, below it e²/(2 beta).
    assert SmoothL1(beta=0.3)(fake, real).item() == pytest.approx((0.4 - 0.15 + 0.04 / 0.6) / 4)


def test_distance_is_a_vectors_length_and_has_a_slope_at_none() -> None:
    real = torch.zeros(1, 2, 1, 2)
    chroma = torch.tensor([[[[0.3, 0.0]], [[-0.4, 0.0]]]], requires_grad=True)
    loss = Distance()(StandIn(chroma), StandIn(real))
    loss.backward()
    assert loss.item() == pytest.approx(0.25)
    assert chroma.grad.flatten().tolist() == pytest.approx([0.3, 0, -0.4, 0])


@pytest.mark.parametrize("loss", [L1(), L2(), SmoothL1(), Distance()])
def test_pixel_losses_pull_towards_the_original(loss: nn.Module) -> None:
    chroma = torch.full((1, 2, 2, 2), 0.3, requires_grad=True)
    loss(StandIn(chroma), StandIn(torch.full((1, 2, 2, 2), 0.1))).backward()
    assert (chroma.grad > 0).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(StandIn(chroma.bfloat16()), StandIn(chroma)).dtype == torch.float32


REAL, FAKE = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.5, -3.0]])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("loss", "critic", "generator"),
    [
        (
            CrossEntropy(),
            ((softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(-3)) / 2) / 2,
            (softplus(-0.5) + softplus(3)) / 2,
        ),
        (
            # A target of 0.9 adds 0.1 times the logit.
            CrossEntropy(smooth=0.1),
            ((softplus(-2) + softplus(1)) / 2 + 0.1 * (2 - 1) / 2 + (softplus(0.5) + softplus(-3)) / 2) / 2,
            (softplus(-0.5) + softplus(3)) / 2,
        ),
        (LeastSquares(), ((1 + 4) / 2 + (0.25 + 9) / 2) / 2, (0.25 + 16) / 2),
        (Hinge(), ((0 + 2) / 2 + (1.5 + 0) / 2) / 2, -(0.5 - 3) / 2),
    ],
)
def test_adversarial_losses(loss: Any, critic: float, generator: float) -> None:
    assert loss.critic(REAL, FAKE).item() == pytest.approx(critic)
    assert loss.generator(FAKE).item() == pytest.approx(generator)


@pytest.mark.parametrize("loss", [CrossEntropy(), LeastSquares(), Hinge()])
def test_adversarial_losses_pull_the_right_way_in_float32(loss: Any) -> None:
    real, fake = (torch.zeros(1, 1, 2, 2, dtype=torch.bfloat16, requires_grad=True) for _ in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss.critic(real, fake)
    assert value.dtype == torch.float32
    value.backward()
    assert (real.grad < 0).all()
    assert real.grad is not None
    fooled = torch.zeros(1, 1, 2, 2, requires_grad=True)
    loss.generator(fooled).backward()
    assert (fooled.grad < 0).all()
    if not isinstance(loss, LeastSquares):  # which already has fakes where it wants them
        assert (fake.grad > 0).all()


class Linear(nn.Module):
    """A critic whose gradient is known: its logits are w·chroma, one for each pixel, at one scale or at two."""

    def __init__(self, scales: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.4]))
        self.scales = scales

    def forward(self, lightness: Tensor, chroma: Tensor) -> list[Tensor]:
        return [torch.einsum("c,nchw->nhw", self.weight, chroma)] * self.scales


@pytest.mark.parametrize("game", [CrossEntropy, LeastSquares, Hinge])
@pytest.mark.parametrize(("size", "scales"), [(1, 1), (4, 1), (4, 2)])
def test_the_penalty_is_half_the_squared_norm_of_the_gradient_of_a_logit(game: Any, size: int, scales: int) -> None:
    critic = Linear(scales)
    real = StandIn(torch.rand(3, 2, size, size))
    penalty = game(r1=10).penalty(critic, real, real)
    assert penalty.item() == pytest.approx(10 / 2 * (0.3**2 + 0.4**2))
    penalty.backward()
    assert torch.allclose(critic.weight.grad, 10 * critic.weight.detach())


def test_there_is_no_penalty_unless_asked_for() -> None:
    assert [loss.penalty_every for loss in (Hinge(), Hinge(r1=1), Hinge(r1=1, r1_every=4))] == [0, 16, 4]


@pytest.mark.parametrize("net", ["vgg16", "vgg11_bn", "resnet18", "test_convnext"])
def test_features_are_frozen_and_without_a_classifier(net: str) -> None:
    loss = Perceptual(net=net, weights="random", layers=(0, 1)).train()
    assert not any(p.requires_grad for p in loss.parameters())
    assert not any(module.training for module in loss.network.modules())
    assert not any(getattr(module, "inplace", False) for module in loss.modules())
    assert not any(isinstance(module, nn.Linear) and module.out_features == 1000 for module in loss.modules())
    if net == "vgg16":
        assert sum(p.numel() for p in loss.parameters()) == 14_714_688  # its convolutions
    rgb = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss(StandIn(rgb=rgb), StandIn(rgb=torch.rand(1, 3, 32, 32))).backward()
    assert rgb.grad.abs().sum() > 0


def test_default_layers_are_the_last_relus_before_the_poolings() -> None:
    network = Perceptual(weights="random").network
    found = network(torch.rand(1, 3, 32, 32))
    assert {index: tuple(f.shape[1:]) for index, f in found.items()} == {
        0: (64, 32, 32), 1: (128, 16, 16), 2: (256, 8, 8), 3: (512, 4, 4)
    }  # fmt: skip
    assert all((f >= 0).all() and (f == 0).any() for f in found.values())


def test_perceptual_is_the_mean_squared_difference_of_features() -> None:
    loss = Perceptual(net=NET, weights="random", layers=(1, 3))
    fake, real = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    a, b = loss.network(fake), loss.network(real)
    expected = sum((a[i] - b[i]).square().mean() for i in (1, 3))
    assert torch.allclose(loss(StandIn(rgb=fake), StandIn(rgb=real)), expected)
    absolute = Perceptual(net=NET, weights="random", layers=(1, 3), distance="l1")
    expected = sum((a[i] - b[i]).abs().mean() for i in (1, 3))
    assert torch.allclose(absolute(StandIn(rgb=fake), StandIn(rgb=real)), expected)
    assert loss(StandIn(rgb=real), StandIn(rgb=real)) == 0


def test_gram_matrix_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels, two pixels
    assert torch.allclose(gram(features), torch.tensor([[[5.0, 1.0], [1.0, 10.0]]]) / 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert gram(features.bfloat16()).dtype == torch.float32


def test_gram_is_the_squared_norm_and_blind_to_places() -> None:
    loss = Gram(net=NET, weights="random", layers=(2,))
    fake, real = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    difference = gram(loss.network(fake)[2]) - gram(loss.network(real)[2])
    expected = torch.linalg.matrix_norm(difference).square().mean()
    assert torch.allclose(loss(StandIn(rgb=fake), StandIn(rgb=real)), expected)
    shuffled = torch.rand(1, 8, 6, 6)
    moved = shuffled.flatten(2)[:, :, torch.randperm(36)].reshape(1, 8, 6, 6)
    assert torch.allclose(gram(shuffled), gram(moved), atol=1e-6)


def test_losses_share_one_network_and_run_it_once_per_picture() -> None:
    gc.collect()
    vgg = Perceptual(net=NET, weights="random", layers=(1, 3))
    style = Gram(net=NET, weights="random", layers=(0, 2))
    assert vgg.network is style.network
    assert vgg.network.wanted == {0, 1, 2, 3}
    runs: list[Tensor] = []
    vgg.network.register_forward_hook(lambda module, inputs, output: runs.append(inputs[0]))
    rgb = torch.rand(2, 3, 32, 32, requires_grad=True)
    fake, real = StandIn(rgb=rgb), StandIn(rgb=torch.rand(2, 3, 32, 32))
    (vgg(fake, real) + style(fake, real)).backward()
    assert len(runs) == 2
    assert rgb.grad.abs().sum() > 0
    kept = [tensor for value in real.computed.values() for tensor in value.values()]
    assert len(kept) == 4
    assert not any(tensor.requires_grad for tensor in kept)
    assert Perceptual(net="test_convnext", weights="random", layers=(0,)).network is not vgg.network


def test_a_copy_has_a_network_of_its_own() -> None:
    loss = Perceptual(net=NET, weights="random", layers=(0,))
    other = copy.deepcopy(loss)
    fake, real = StandIn(rgb=torch.rand(1, 3, 32, 32)), StandIn(rgb=torch.rand(1, 3, 32, 32))
    assert other.network is not loss.network
    assert other(fake, real) == loss(fake, real)


@pytest.mark.parametrize("net", [NET, "test_convnext"])
def test_random_weights_are_always_the_same_and_leave_the_random_numbers_alone(net: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = features.load(net, "random").state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    second = features.load(net, "random").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_from_a_file(tmp_path: Path) -> None:
    network = features.load(NET, "random")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    path = tmp_path / "net.safetensors"
    save_file(network.state_dict() | {"fc.weight": torch.zeros(3)}, path)  # and a classifier, which is not wanted
    loss = Perceptual(net=NET, weights=path, layers=(0,))
    found = loss.network.network.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in network.state_dict().items())
    assert Gram(net=NET, weights=path, layers=(0,)).network is loss.network


def test_mistakes_are_explained(tmp_path: Path) -> None:
    for wrong, message in [
        ({"weights": tmp_path / "none.safetensors"}, "there is no file"),
        ({"layers": (0, 7), "weights": "random"}, "has no layer 7: it has the layers 0 to 4"),
        ({"layers": (-1,), "weights": "random"}, "has no layer -1"),
        ({"layers": (), "weights": "random"}, "no features without a layer"),
        ({"net": "vgg61"}, "did you mean 'vgg"),
        ({"net": "vgg16.in1k"}, "did you mean 'vgg16.tv_in1k'"),
    ]:
        with pytest.raises(UsageError, match=message):
            Perceptual(**{"net": NET} | wrong)
    foreign, broken = tmp_path / "foreign.safetensors", tmp_path / "broken.safetensors"
    save_file({"weight": torch.zeros(1)}, foreign)
    with pytest.raises(UsageError, match=r"does not hold the weights of timm's test_resnet: it lacks conv1"):
        Perceptual(net=NET, weights=foreign)
    save_file({k: torch.zeros(2) for k in features.load(NET, "random").state_dict()}, foreign)
    with pytest.raises(UsageError, match="has another shape"):
        Perceptual(net=NET, weights=foreign)
    broken.write_bytes(b"not tensors")
    with pytest.raises(ZooError, match="cannot be read as a safetensors file"):
        Perceptual(net=NET, weights=broken)


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ZooError, match=r"^Could not fetch the weights of test_resnet .*weights=random"):
        Perceptual(net=NET)


@pytest.mark.parametrize("filename", ["model.safetensors", "pytorch_model.bin"])
def test_weights_that_were_fetched_before_are_used_without_a_network(
    filename: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import timm

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / ("models--" + timm.get_pretrained_cfg(NET).hf_hub_id.replace("/", "--"))
    snapshot = repository / "snapshots" / ("0" * 40)
    for folder in (repository / "refs", snapshot):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(snapshot.name)
    state = timm.create_model(NET).state_dict()
    (save_file if filename.endswith(".safetensors") else torch.save)(state, snapshot / filename)
    network = Perceptual(net=NET, layers=(0,)).network.network
    found = network.state_dict()
    theirs = timm.create_model(NET, pretrained=True).state_dict()
    assert found.keys() == {name for name in state if not name.startswith("fc.")}
    assert all(torch.equal(tensor, state[name]) and torch.equal(tensor, theirs[name]) for name, tensor in found.items())
    assert "state_dict" not in network.pretrained_cfg


def test_features_under_bfloat16_autocast() -> None:
    vgg, style = (kind(net=NET, weights="random", layers=(0, 2)) for kind in (Perceptual, Gram))
    fake, real = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 3, 32, 32)
    for loss in (vgg, style):
        plain = loss(StandIn(rgb=fake), StandIn(rgb=real))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(StandIn(rgb=fake), StandIn(rgb=real))
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(plain.item(), rel=0.05)
        value.backward()
        assert fake.grad.isfinite().all()


def test_networks_of_losses_run_in_float32_whatever_the_trained_ones_run_in(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[bool, torch.dtype]] = set()
    forward = features.FeatureNetwork.forward

    def noted(self: features.FeatureNetwork, rgb: Tensor) -> dict[int, Tensor]:
        found = forward(self, rgb)
        seen.update((torch.is_autocast_enabled("cpu"), feature.dtype) for feature in found.values())
        return found

    monkeypatch.setattr(features.FeatureNetwork, "forward", noted)
    options = f"net={NET},weights=random"
    photos = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Trainer(assemble(tiny(loss=f"vgg:{options}+gram:{options}+adv", precision="bf16"))).step(Batch(photos))
    assert seen == {(False, torch.float32)}


def test_plugin_offers_what_exists() -> None:
    import importlib

    class Recorder:
        def __init__(self) -> None:
            self.seen: dict[str, tuple[float, bool]] = {}

        def loss(self, name: str, target: str, *, summary: str, weight: float = 1, adversarial: bool = False) -> None:
            module, _, attribute = target.partition(":")
            made = getattr(importlib.import_module(module), attribute)
            assert hasattr(made, "critic") == adversarial
            assert summary
            self.seen[name] = weight, adversarial

    recorder = Recorder()
    plugin.zoo_components(recorder)
    assert recorder.seen.keys() == {
        "l1",
        "distance",
        "l2",
        "smooth-l1",
        "adv",
        "adv-lsgan",
        "adv-hinge",
        "feature-matching",
        "vgg",
        "gram",
    }
    assert recorder.seen["l1"] == (100, False)
    assert recorder.seen["adv"] == (1, True)

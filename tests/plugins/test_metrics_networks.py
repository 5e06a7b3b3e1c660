"""Metrics over the features of networks, against what others compute."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from zoo import registry
from zoo.data.picture import LabPicture
from zoo.errors import UsageError, ZooError
from zoo.tensors import save_tensors
from zoo.testing.subject import pictures

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what third parties warn about while they are imported
    import timm
    from zoo_metrics import distributions, inception, perceptual
    from zoo_metrics.distributions import FID, FrechetDistance, KernelDistance, frechet_distance, kernel_distance
    from zoo_metrics.networks import Pooled, unit_distance

NET: dict[str, Any] = {"net": "test_resnet", "weights": "random"}
REAL = pictures(batch=4, size=48)
FAKE = LabPicture(REAL.lightness, 0.4 * REAL.chroma)


def samples(count: int, columns: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    mixed = torch.randn(count, columns, generator=generator) @ torch.randn(columns, columns, generator=generator)
    return mixed / columns + shift


# Fewer rows than columns, as many, and more.
SETS = [
    pytest.param(samples(10, 32), samples(7, 32, 0.3), id="few"),
    pytest.param(samples(32, 32), samples(33, 32, 0.3), id="as-many"),
    pytest.param(samples(300, 32), samples(20, 32, 0.3), id="many-and-few"),
    pytest.param(samples(500, 24), samples(400, 24, 0.3), id="many"),
]


@pytest.mark.parametrize(("first", "second"), SETS)
def test_the_frechet_distance_is_scipys_and_torchmetrics(first: Tensor, second: Tensor) -> None:
    a, b = first.double().numpy(), second.double().numpy()
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(scipy.linalg.sqrtm(s @ t))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)
    found = frechet_distance(first, second)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(expected, rel=1e-3)
    theirs = pytest.importorskip("torchmetrics.image.fid")._compute_fid(
        *(torch.from_numpy(one) for one in (a.mean(0), s, b.mean(0), t))
    )
    assert found.item() == pytest.approx(theirs.item(), rel=1e-3)
    assert frechet_distance(first, first).item() == pytest.approx(0, abs=1e-9)


def test_one_dimension_is_done_by_hand() -> None:
    first, second = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[1.0], [2.0]])
    # (2 - 1.5)² + (σ₁ - σ₂)² with variances 4 and 0.5
    assert frechet_distance(first, second).item() == pytest.approx(0.25 + (2 - math.sqrt(0.5)) ** 2)


@pytest.mark.parametrize(("first", "second"), SETS)
def test_the_kernel_distance_is_torchmetrics(first: Tensor, second: Tensor) -> None:
    count = min(len(first), len(second))
    kid = pytest.importorskip("torchmetrics.image.kid")
    expected = kid.poly_mmd(first[:count].double(), second[:count].double())
    assert kernel_distance(first[:count], second[:count]).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_kernel_distance_is_unbiased_and_the_frechet_distance_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [[torch.randn(count, 8, generator=generator) for _ in range(2)] for count in [12] * 200]
    kernel = torch.stack([kernel_distance(*pair) for pair in draws])
    frechet = torch.stack([frechet_distance(*pair) for pair in draws])
    assert kernel.mean().abs() < 3 * kernel.std() / math.sqrt(len(draws))
    assert frechet.mean() > 3 * frechet.std() / math.sqrt(len(draws))
    large = frechet_distance(*(torch.randn(1000, 8, generator=generator) for _ in range(2)))
    assert large < frechet.mean() / 10


def test_under_5000_pictures_it_says_that_it_is_biased(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = FrechetDistance(**NET)
    found = metric(FAKE, REAL)
    assert list(found) == ["biased", "kid"]
    assert found["kid"] == KernelDistance(**NET)(FAKE, REAL)
    assert distributions.ENOUGH == 5000
    monkeypatch.setattr(distributions, "ENOUGH", 50)
    many = torch.randn(50, 4)
    assert list(metric.compare(many, many)) == ["distance", "kid"]
    assert list(metric.compare(many[1:], many)) == ["biased", "kid"]


def test_what_is_no_number_has_no_distance() -> None:
    broken = samples(10, 4)
    broken[3] = math.nan
    assert math.isnan(frechet_distance(broken, samples(10, 4)))
    assert math.isnan(kernel_distance(broken, samples(10, 4)))


def test_features_are_the_networks_last_averaged() -> None:
    pooled = Pooled(**NET)
    network = timm.create_model("test_resnet")
    # Resized to what it was trained with, whatever the size.
    assert pooled.size == tuple(network.pretrained_cfg["input_size"][1:])
    assert pooled(REAL).shape == (4, network.num_features)
    assert pooled(pictures(batch=1, size=200)).shape == (1, network.num_features)
    assert not pooled(REAL).requires_grad
    calls: list[int] = []
    pooled.network.register_forward_hook(lambda *_: calls.append(1))
    fresh = LabPicture(REAL.lightness, REAL.chroma)
    assert pooled(fresh) is Pooled(**NET)(fresh)
    assert calls == [1]


def test_lite0_is_named_for_what_it_is() -> None:
    found = registry.get().build("metric", "fd-lite0")
    assert found.features(REAL).shape == (4, 320)
    assert found(FAKE, REAL)["biased"] > 0
    with pytest.raises(UsageError, match="metric fd needs the option 'net'"):
        registry.get().build("metric", "fd")
    assert [one.name for one in registry.components() if one.kind == "metric" and "fid" in one.name] == ["fid"]


# ------------------------------------------------------------------------------------------------- Inception


@pytest.fixture(scope="module")
def of_2015(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Weights of the form that FID's have, without which nothing is called so: those would have to be fetched."""
    generator = torch.Generator().manual_seed(0)
    network = inception.Inception("random").network
    network.fc = torch.nn.Linear(2048, 1008)
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("running_mean", "bn.bias")):
            state[name] = 0.3 * torch.randn(tensor.shape, generator=generator)
        elif tensor.ndim == 4:  # so large that what comes in is not forgotten on the way
            state[name] = torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5
    return state


@pytest.fixture(scope="module")
def weights(of_2015: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_tensors(file, {name: tensor for name, tensor in of_2015.items() if "num_batches" not in name})
    return file


@pytest.mark.slow
def test_inception_is_that_of_torch_fidelity(of_2015: dict[str, Tensor], weights: Path, tmp_path: Path) -> None:
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    torch.save(of_2015, tmp_path / "inception.pth")
    extractor = theirs.FeatureExtractorInceptionV3("inception", ["2048"], str(tmp_path / "inception.pth"))
    ours = FID(weights=weights)
    for height, width in ((40, 57), (320, 310)):  # enlarged and reduced
        noise = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(height))
        photos = (torch.nn.functional.interpolate(noise, (height, width)) * 255).round().to(torch.uint8)
        with torch.inference_mode():
            expected = extractor(photos)[0]
            picture = LabPicture.of_photos(photos)
            picture.cached("rgb", lambda photos=photos: photos.float() / 255)
            found = ours.features(picture)
        assert expected.std() > 0.1
        assert (found - expected).abs().max() < 1e-3 * expected.std()


def test_fid_is_called_so_with_its_own_weights_alone(weights: Path) -> None:
    sets = torch.randn(2, 5, 2048)
    assert list(FID(weights=weights).compare(*sets)) == ["biased", "kid"]
    assert list(FID(weights="random").compare(*sets)) == ["untrained"]


def test_weights_of_another_inception_make_no_fid(
    of_2015: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_1000 = {**of_2015, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    save_tensors(tmp_path / "another.safetensors", of_1000)
    with pytest.raises(UsageError, match=r"does not hold the weights of FID's Inception: fc\.weight has another shape"):
        FID(weights=tmp_path / "another.safetensors")
    # What lies where the fetched file would, and is another one.
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cached = tmp_path / "checkpoints" / inception.URL.rpartition("/")[2]
    cached.parent.mkdir()
    torch.save(of_1000, cached)
    with pytest.raises(ZooError, match=r"does not hold the weights of Inception .* Or write fd-lite0"):
        FID()


def test_without_a_network_fid_names_what_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refused(*_args: Any, **_kwargs: Any) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    with pytest.raises(ZooError, match=r"^metric fid: Could not fetch the weights of Inception .* Write fd-lite0"):
        registry.get().build("metric", "fid")


# ------------------------------------------------------------------------------------------------- place by place


def test_the_distance_of_unit_features_is_done_by_hand() -> None:
    a = {0: torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)}
    b = {0: torch.tensor([0.0, 9.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)}
    # (0.6, 0.8) and (0, 1): 0.36 + 0.04
    assert unit_distance(a, b).tolist() == pytest.approx([0.4])
    assert unit_distance(a, b, {0: torch.tensor([2.0, 1.0])}).tolist() == pytest.approx([0.76])


def test_lite0_distance_is_lpips_without_heads() -> None:
    metric = perceptual.Lite0Distance()
    network = metric.network
    each = []
    for fake, real in zip(FAKE.rgb, REAL.rgb, strict=True):
        a, b = (network(one[None]) for one in (fake, real))
        cosines = [torch.cosine_similarity(a[layer], b[layer], dim=1).mean() for layer in range(5)]
        each.append(sum(2 - 2 * cosine for cosine in cosines))
    assert metric(FAKE, REAL).item() == pytest.approx(torch.stack(each).mean().item(), abs=1e-5)
    assert metric(REAL, REAL) == 0


@pytest.mark.slow
def test_lpips_is_torchmetrics(tmp_path: Path) -> None:
    """With the same random weights in both networks, since trained ones would have to be fetched."""
    pytest.importorskip("torchmetrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.functional.image.lpips import _LPIPS

        theirs = _LPIPS(pretrained=True, net="vgg", pnet_rand=True, use_dropout=True).eval()
    weights = tmp_path / "vgg.safetensors"
    layers = {key: value for part in theirs.net.children() for key, value in part.state_dict().items()}
    save_tensors(weights, {f"features.{key}": value.contiguous() for key, value in layers.items()}, {})
    ours = perceptual.LPIPS(weights=weights)
    expected = theirs(FAKE.rgb, REAL.rgb, normalize=True).flatten()
    assert expected.min() > 1e-4
    assert ours(FAKE, REAL).item() == pytest.approx(expected.mean().item(), rel=1e-4)
    assert ours(REAL, REAL) == 0


def test_without_its_heads_lpips_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        perceptual, "HEADS", perceptual.PackagedWeights("vgg16", "no-such-package", "heads.pth", "0" * 64)
    )
    with pytest.raises(ZooError, match=r"^the heads of LPIPS come in a package .*: pip install no-such-package\. Or"):
        perceptual.LPIPS(weights="random")

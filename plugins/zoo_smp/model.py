"""Generators from segmentation-models-pytorch (smp): a decoder over an encoder that was trained on photographs.

There is one factory per decoder. Its options are read off smp's own class, so that they follow the installed version.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import segmentation_models_pytorch as smp
import timm
import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.hub import fetch, fetch_for_timm, quiet
from zoo.packaged import find_packaged, unpack
from zoo.suggest import did_you_mean
from zoo.tensors import load_matching

Stem = Literal["adapt", "repeat"]
Weights = Annotated[
    str | Path,
    BeforeValidator(lambda text: Path(text) if isinstance(text, str) and text.endswith(".safetensors") else text),
]
Statistics: TypeAlias = tuple[Sequence[float], Sequence[float]]
Channels = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "nearest-exact"]
# smp lists two more, "layernorm" and "instancenorm", which fail in its decoders.
DecoderNorm = Literal["batchnorm", "identity"]

# What smp calls its parameters, with types as narrow as what it accepts.
OPTIONS: dict[str, tuple[Any, str]] = {
    "encoder_depth": (Annotated[int, Field(ge=3, le=5)], "Number of stages of the encoder, each halving the picture."),
    "encoder_output_stride": (None, "How many times smaller than the picture the encoder's last features are."),
    "encoder_output_indices": (tuple[int, ...] | None, "The encoder's blocks to take features from."),
    "decoder_use_norm": (DecoderNorm, "Normalization inside the decoder."),
    "decoder_channels": (None, "Channels of the decoder; from the innermost level, where there are several."),
    "decoder_attention_type": (Literal["scse"] | None, "Attention inside the decoder: scse (Roy et al. 2018) or none."),
    "decoder_interpolation": (Interpolation, "How the decoder enlarges features."),
    "decoder_pab_channels": (Channels, "Channels of the attention over positions."),
    "decoder_pyramid_channels": (Channels, "Channels of the feature pyramid."),
    "decoder_segmentation_channels": (Channels, "Channels of the blocks after the encoder's features."),
    "decoder_merge_policy": (Literal["add", "cat"], "Whether the pyramid's levels are added or concatenated."),
    "decoder_dropout": (Rate, "Share of the decoder's channels to drop, in training."),
    "decoder_atrous_rates": (None, "Dilations of the three parallel convolutions."),
    "decoder_aspp_separable": (bool, "Make the dilated convolutions depthwise separable."),
    "decoder_aspp_dropout": (Rate, "Share of activations to drop after the dilated convolutions, in training."),
    "decoder_readout": (None, "What becomes of the transformer's class token: ignored, added or concatenated."),
    "decoder_intermediate_channels": (None, "Channels of the features of each stage before they are fused."),
    "decoder_fusion_channels": (Channels, "Channels in which stages are fused."),
    "psp_out_channels": (Channels, "Channels of the pooling pyramid."),
    "psp_dropout": (Rate, "Share of the pyramid's channels to drop, in training."),
}  # fmt: skip

# These follow from what a generator is: one channel in, two out, of the same size.
SETTLED = {"encoder_name", "encoder_weights", "in_channels", "classes", "activation", "upsampling", "aux_params"}

# Decoders whose output is 2**(depth - this) times smaller than the picture, where smp expects the caller to know.
FINEST_LEVEL = {"FPN": 3, "PSPNet": 0}

# Vision transformers are made for one size of pictures, unless they are told otherwise; timm has two ways to say it.
ANY_SIZE: tuple[dict[str, bool], ...] = ({}, {"dynamic_img_size": True}, {"strict_img_size": False})

# Mean and standard deviation of ImageNet's photographs, for each channel of sRGB.
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# How much weaker than smp draws it the last layer begins: chroma is then about 0.01, which nobody can tell from grey.
# Not zero, which would keep gradients from all the layers before it at the first step.
LAST_LAYER = 0.01

# Whatever a constructor throws at options it cannot work with.
BAD_OPTIONS = (
    ValueError, TypeError, LookupError, AttributeError, AssertionError, NotImplementedError, RuntimeError
)  # fmt: skip


class SmpGenerator(nn.Module):
    """Lightness (N, 1, H, W) -> chroma (N, 2, H, W), for H and W that are multiples of `multiple`.

    The encoder is shown what its weights were trained on: a photograph whose channels have had `statistics`, their mean
    and standard deviation, taken out. These are buffers, so that a saved model brings them along.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, *, multiple: int, stem: Stem, statistics: Statistics = IMAGENET) -> None:
        super().__init__()
        self.model = model
        self.multiple = multiple
        self.stem = stem
        for name, values in zip(("mean", "std"), statistics, strict=True):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, lightness: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 2, H, W)."""
        picture = (grey_photo(lightness) - self.mean) / self.std
        # An adapted encoder's first weights are the sum over the channels; their mean, in its one, comes to about the
        # same activations.
        chroma: Tensor = self.model(picture if self.stem == "repeat" else picture.mean(1, keepdim=True))
        return chroma


def grey_photo(lightness: Tensor) -> Tensor:
    """Return the grey sRGB photograph of this lightness: (N, 1, H, W) in [-1, 1] -> (N, 1, H, W) in [0, 1]."""
    level = 50 * (lightness.float().clamp(-1, 1) + 1)
    luminance = torch.where(level > 8, ((level + 16) / 116) ** 3, level / 903.3)
    return torch.where(luminance > 0.0031308, 1.055 * luminance.clamp_min(1e-4) ** (1 / 2.4) - 0.055, 12.92 * luminance)


def build(
    architecture: type[nn.Module],
    *,
    encoder: str,
    weights: str | Path = "imagenet",
    stem: Stem = "adapt",
    restoring: bool = False,
    **options: Any,
) -> SmpGenerator:
    """Build a generator around one of smp's classes; `options` are that class's own."""
    name = f"smp-{architecture.__name__.lower()}"
    encoder, source = find_encoder(encoder, "none" if isinstance(weights, Path) else weights)
    foreign = encoder.startswith("tu-")
    tag, file, statistics = None, None, IMAGENET
    wanted = {"what": f"the weights {str(weights)!r} of {encoder}", "instead": "weights=none"}
    if restoring:
        pass
    elif file := local_file(encoder, weights, **wanted):
        statistics = usual_statistics(encoder)
        if foreign:
            tag, options["pretrained_cfg_overlay"] = "file", {"state_dict": read_for_timm(file, encoder)}
    elif source:
        if foreign:
            tag, options["pretrained_cfg_overlay"] = "imagenet", fetch_for_timm(source, **wanted)
        else:
            file = fetch(source["repo_id"], "model.safetensors", revision=source["revision"], **wanted)
        statistics = find_statistics(source, **wanted)
    channels = 3 if stem == "repeat" else 1
    defaults = inspect.signature(architecture).parameters
    depth = options["encoder_depth"]
    # Fewer levels, fewer widths: nobody should have to write both.
    for option, kept in (
        ("decoder_channels", slice(-depth, None)),
        ("decoder_intermediate_channels", slice(0, depth)),
    ):
        widths = options.get(option)
        if isinstance(widths, Sequence) and tuple(widths) == tuple(defaults[option].default):
            options[option] = tuple(widths)[kept]
    if architecture.__name__ in FINEST_LEVEL:
        options["upsampling"] = 2 ** (depth - FINEST_LEVEL[architecture.__name__])

    def construct(**extra: bool) -> nn.Module:
        model = architecture(
            encoder_name=encoder,
            encoder_weights=tag,
            in_channels=3 if file and not foreign else channels,
            classes=2,
            **options,
            **extra,
        )
        inner: Any = model.encoder
        if file and not foreign:
            # As smp does it where it fetches the weights itself: they are for RGB, and adapted after they are loaded.
            inner.load_state_dict(load_matching(file, inner.state_dict(), encoder))
            inner.set_in_channels(channels)
        elif tag:
            inner.model.pretrained_cfg.pop("state_dict", None)
        return model

    complaint: BaseException | None = None
    for extra in ANY_SIZE if foreign else ANY_SIZE[:1]:
        try:
            with warnings.catch_warnings(), quiet("timm"):
                # About deprecated spellings inside the libraries, which nobody here can change.
                warnings.simplefilter("ignore")
                model = construct(**extra)
                multiple = find_multiple(model, channels=channels)
        except UsageError:
            raise  # says itself what is wrong
        except BAD_OPTIONS as error:
            # The first complaint is about the options; later ones may be about what was tried to remedy it.
            complaint = complaint or error
            continue
        if not restoring:
            begin_grey(model)
        return SmpGenerator(model, multiple=multiple, stem=stem, statistics=statistics)
    raise UsageError(f"{name} does not work with the encoder {encoder} and these options: {complaint}") from complaint


def find_encoder(name: str, weights: str) -> tuple[str, Any]:
    """Check an encoder's name and the tag of its weights.

    Returns:
        The name as smp wants it, and what smp, or timm for a model of its own, knows of the weights; None for none.
    """
    if name.startswith("tu-"):
        return find_timm_encoder(name.removeprefix("tu-"), weights)
    if name not in smp.encoders.encoders:
        raise UsageError(f"unknown encoder {name!r}{did_you_mean(name, encoders())}")
    settings = smp.encoders.encoders[name]["pretrained_settings"]
    if weights == "none":
        return name, None
    if weights not in settings:
        raise UsageError(f"{name} has no weights {weights!r}. It has: {', '.join([*settings, 'none'])}")
    return name, settings[weights]


def find_timm_encoder(name: str, weights: str) -> tuple[str, Any]:
    """As `find_encoder`, for a model of timm's: its tag, if any, is part of its name."""
    architecture, _, own_tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UsageError(f"unknown encoder 'tu-{name}'{did_you_mean(f'tu-{architecture}', encoders())}")
    known = timm.list_pretrained(f"{architecture}*")
    tags = [entry.partition(".")[2] for entry in known if entry.partition(".")[0] == architecture]
    wanted = [tag for tag in (own_tag, "" if weights in {"none", "imagenet"} else weights) if tag]
    for tag in wanted:
        if tag not in tags:
            raise UsageError(f"tu-{architecture} has no weights {tag!r}. It has: {', '.join([*tags, 'none'])}")
    if len(set(wanted)) > 1:
        raise UsageError(f"tu-{name} names the weights {own_tag!r}, and weights={weights} names others: leave one out")
    full = ".".join([architecture, *wanted[:1]])
    if weights == "none":
        return f"tu-{full}", None
    source = timm.get_pretrained_cfg(full)
    if source is None or not source.has_weights:
        raise UsageError(f"tu-{architecture} has no pretrained weights: write weights=none")
    return f"tu-{full}", source


def local_file(encoder: str, weights: str | Path, *, what: str, instead: str) -> Path | None:
    """Return the file of weights that need no hub: somebody's own, or those that come in a package."""
    if isinstance(weights, Path):
        return weights.expanduser()
    packaged = find_packaged(timm_name(encoder)) if weights == "imagenet" else None
    return unpack(packaged, what=what, instead=instead) if packaged else None


def timm_name(encoder: str) -> str:
    """Return what timm calls an encoder, if it has it: smp's prefixes say only who implements it."""
    return encoder.removeprefix("tu-").removeprefix("timm-")


def read_for_timm(file: Path, encoder: str) -> dict[str, Tensor]:
    """Read a file with the weights of a whole network of timm's, of which the encoder will take its part."""
    with torch.device("meta"):
        wanted = timm.create_model(timm_name(encoder), num_classes=0).state_dict()
    return load_matching(file, wanted, f"timm's {timm_name(encoder)}")


def usual_statistics(encoder: str) -> Statistics:
    """Return the statistics of pictures that timm shows to a network of this name; ImageNet's, if it has none."""
    name = timm_name(encoder)
    known = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    return (known.mean, known.std) if known else IMAGENET


def find_statistics(source: Any, *, what: str, instead: str) -> Statistics:
    """Find out of which statistics the pictures were that pretrained weights were trained on.

    Args:
        source: What smp or timm knows of the weights, from `find_encoder`.
        what: As in "the weights 'imagenet' of resnet34".
        instead: What to write to do without them.
    """
    if not isinstance(source, dict):
        return source.mean, source.std
    # smp keeps them beside its weights.
    what = f"the configuration of {what}"
    file = fetch(source["repo_id"], "config.json", revision=source["revision"], what=what, instead=instead)
    config = json.loads(file.read_text(encoding="utf-8"))
    return config.get("mean", IMAGENET[0]), config.get("std", IMAGENET[1])


def encoders() -> list[str]:
    """Return the names of all encoders: smp's, and timm's after `tu-`."""
    return [*smp.encoders.get_encoder_names(), *(f"tu-{model}" for model in timm.list_models())]


def begin_grey(model: Any) -> None:
    """Weaken the last layer of one of smp's models, so that its first pictures are nearly grey.

    smp draws it for masks: colours would begin far beyond what sRGB has, and training by bringing them back.
    """
    *_, last = (layer for layer in model.segmentation_head.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        last.weight.mul_(LAST_LAYER)
        if last.bias is not None:
            last.bias.zero_()


def find_multiple(model: nn.Module, *, channels: int) -> int:
    """Return of which number height and width must be multiples, and freeze what the model never uses.

    Found by trying, on tensors without contents: what smp demands is too little for some of its decoders, and depends
    on the encoder.

    Raises:
        RuntimeError: No size works, or the model returns another size than it was given.
    """
    stride = int(getattr(model.encoder, "output_stride", 32))
    error: Exception | None = None
    for multiple in (stride, 2 * stride, 4 * stride, 8 * stride):
        try:
            # The smallest side, and an odd multiple of it: whatever is wrong with a size shows at one of the two.
            unused = unused_parameters(model, multiple, 3 * multiple, channels=channels)
        except BAD_OPTIONS as failure:
            error = error or failure
            continue
        for parameter in unused:
            # An encoder's later stages, say. Training in several processes would wait for their gradients.
            parameter.requires_grad_(False)
        return multiple
    raise error or RuntimeError("no size of pictures fits")


def unused_parameters(model: nn.Module, height: int, width: int, *, channels: int) -> list[nn.Parameter]:
    """Run the model without computing anything, and return the parameters that its output does not depend on."""
    # Gradients tell, wherever a generator is made: a model may be loaded where none are kept.
    with torch.inference_mode(False), torch.enable_grad():
        parameters = {
            name: torch.empty_like(parameter, device="meta").requires_grad_(parameter.is_floating_point())
            for name, parameter in model.named_parameters()
        }
        buffers = {name: torch.empty_like(buffer, device="meta") for name, buffer in model.named_buffers()}
        picture = torch.empty(2, channels, height, width, device="meta")
        output: Tensor = torch.func.functional_call(model, {**parameters, **buffers}, (picture,))
        if output.shape != (2, 2, height, width):
            raise RuntimeError(f"{width} × {height} pixels become {output.shape[-1]} × {output.shape[-2]}")
        gradients = torch.autograd.grad(output.sum(), list(parameters.values()), allow_unused=True)
    return [own for own, gradient in zip(model.parameters(), gradients, strict=True) if gradient is None]


def factory(architecture: type[nn.Module]) -> Callable[..., SmpGenerator]:
    """Make the factory of one of smp's classes: its own parameters, with types and descriptions, are the options."""
    name = architecture.__name__.lower()
    own = inspect.signature(architecture).parameters
    hints: dict[str, Any] = {"encoder": str, "weights": Weights, "stem": Stem, "restoring": bool}
    defaults: dict[str, Any] = {
        "encoder": own["encoder_name"].default,
        "weights": "imagenet",
        "stem": "adapt",
        "restoring": False,
    }
    descriptions = {
        "encoder": "The encoder: any of smp's, or `tu-` and the name of a model of timm's.",
        "weights": "The encoder's pretrained weights, by their tag, or a .safetensors file of them; `none` for random "
        "ones.",
        "stem": "How the encoder, made for RGB, takes a grey photograph: `adapt` sums its first weights over the "
        "channels, `repeat` shows it three equal ones, as it was trained on.",
        "restoring": "Filled in by zoo: weights are loaded next, so fetch none.",
    }
    for parameter in own.values():
        if parameter.name in SETTLED or parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        narrow, description = OPTIONS.get(parameter.name, (None, ""))
        if name == "dpt" and parameter.name == "encoder_depth":
            narrow = Annotated[int, Field(ge=1, le=4)]
            description = "Number of blocks of the encoder to take features from."
        kind = narrow or plain(parameter.annotation)
        if kind is None:
            continue
        default = parameter.default
        hints[parameter.name] = kind
        defaults[parameter.name] = tuple(default) if isinstance(default, list) else default
        descriptions[parameter.name] = description

    def make(**options: Any) -> SmpGenerator:
        return build(architecture, **{**defaults, **options})

    make.__name__ = make.__qualname__ = name
    make.__annotations__ = {**hints, "return": SmpGenerator}
    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=defaults[option], annotation=hint)
            for option, hint in hints.items()
        ],
        return_annotation=SmpGenerator,
    )
    make.__doc__ = "\n".join(
        [
            f"The decoder {architecture.__name__} of segmentation-models-pytorch, over any encoder.",
            "",
            "Args:",
            *(f"    {option}: {description}" for option, description in descriptions.items() if description),
        ]
    )
    return make


def plain(annotation: Any) -> Any:
    """Return a type that a value on a command line can be read as, or None where there is none."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in {int, float, bool, str}:
        return annotation
    if origin is Literal:
        # pydantic doesn't take "8" for Literal[8].
        return Annotated[annotation, BeforeValidator(whole_number)] if isinstance(arguments[0], int) else annotation
    if origin in {Sequence, Iterable, list, tuple} and arguments[:1] == (int,):
        return tuple[int, ...]
    if origin in {typing.Union, types.UnionType}:
        inner = [plain(argument) for argument in arguments if argument is not type(None)]
        if len(inner) == 1 and inner[0] is not None:
            return inner[0] | None
    return None


def whole_number(value: object) -> object:
    """Read digits as a number, and leave anything else as it is."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


unet = factory(smp.Unet)
unetplusplus = factory(smp.UnetPlusPlus)
fpn = factory(smp.FPN)
linknet = factory(smp.Linknet)
manet = factory(smp.MAnet)
pan = factory(smp.PAN)
pspnet = factory(smp.PSPNet)
deeplabv3 = factory(smp.DeepLabV3)
deeplabv3plus = factory(smp.DeepLabV3Plus)
upernet = factory(smp.UPerNet)
segformer = factory(smp.Segformer)
dpt = factory(smp.DPT)

"""From a model to an ONNX file that gives the same colours."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, ZooError, one_line
from zoo.files import explain_os_error, replacing
from zoo.registry.spec import names_in

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.model import Model

NEEDED = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-3
"""How far a* and b* may be from those of the model, in units of L*a*b*; in 2 of them, a difference can just be seen."""
COLOURS = 128
"""No colour has more of a* or b*. A generator that predicts more, such as an untrained one, is rounded as much more."""
SIZES = ((16, 16), (97, 64), (150, 225), (301, 203), (24, 400))
"""Height and width of what both are compared on: small, odd, upright, across, and too long to be seen whole."""
LARGEST = 2**31 - 2**24  # bytes of weights: one ONNX file holds 2 GiB, structure included


@dataclass(frozen=True)
class Exported:
    """What was written."""

    bytes: int
    compared: int
    """At how many sizes of photographs it was compared with the model."""
    difference: float
    """The largest one in a* or b*."""


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """See that a file can be exported to, as far as that shows before anything is loaded.

    Raises:
        UsageError: the packages for it are missing, the file is there already, or its name does not end in .onnx.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(f"{' and '.join(missing)} {verb} not installed: pip install {' '.join(missing)}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder: give the name of a file in it, such as {target / 'model.onnx'}")
    if target.suffix.lower() != ".onnx":
        raise UsageError(f"{target}: the name of the file must end in .onnx")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} is there already: take another name, or --overwrite")


def export_model(model: Model, target: Path) -> Exported:
    """Write a model as one ONNX file, after it was seen to give the same colours.

    Input and output of the graph, float32, of any height and width:

    - `lightness` (N, 1, H, W): L* in [0, 100],
    - `ab` (N, 2, H, W): a* and b*, as `zoo.model.Model` predicts them: resizing to what the generator sees, and back,
      are in the graph.

    Args:
        model: on the CPU. Its weights are laid out anew.
        target: the file; what is there is replaced.

    Raises:
        UsageError: the generator takes more than lightness.
        ZooError: the generator cannot be exported, the graph does not give the model's colours, or the file cannot be
            written. None is left behind, and one that was there stays.
    """
    import torch

    if model.takes:
        raise UsageError(
            f"{names_in(model.recipe.generator)} takes {' and '.join(model.takes)} beside lightness, and an exported "
            "model has lightness alone"
        )
    weights = sum(tensor.nbytes for tensor in model.generator.state_dict().values())
    if weights > LARGEST:
        raise ZooError(f"{model.recipe.generator} is too large for one ONNX file: {weights / 2**30:.1f} of 2 GiB")
    try:
        with replacing(target) as new:  # first of all, so that a full disk or a wrong folder shows at once
            samples = [_sample(height, width) for height, width in SIZES]
            # Channels-last is for CPUs, and for zoo's own shortcuts there; it sums in another order, too.
            model.generator.to(memory_format=torch.contiguous_format)
            expected = [predict(model, sample) for sample in samples]
            content = _build(model)
            new.write_bytes(content)
            return Exported(len(content), len(samples), _compare(new, samples, expected))
    except OSError as error:
        raise ZooError(f"cannot write {target}: {explain_os_error(error)}") from error


def predict(model: Model, lightness: Tensor) -> Tensor:
    """Predict the colours of one photograph, the network in float32 whatever the recipe's precision.

    The rest is computed in float64: in float32, torch is wrong by up to a hundredth of a unit where it resizes.

    Args:
        model: on the CPU.
        lightness: (1, H, W), L* in [0, 100].

    Returns:
        a* and b*, (2, H, W).
    """
    import torch
    import torch.nn.functional as F

    from zoo.networks import predict_chroma
    from zoo.photo import Photo
    from zoo.photo.color import AB_SCALE

    with torch.inference_mode():
        seen = model.network_input(Photo(lightness.double()))
        chroma = predict_chroma(model.generator, seen[None].float(), torch.float32).double()
        return AB_SCALE * F.interpolate(chroma, lightness.shape[1:], mode="bilinear", align_corners=False)[0]


def _sample(height: int, width: int) -> Tensor:
    """Make something like a photograph, the same for the same size: L* (1, height, width)."""
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 1, 5, 5, generator=generator)
    fine = torch.rand(1, 1, height, width, generator=generator)
    return (80 * F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1) + 20 * fine)[0]


def _build(model: Model) -> bytes:
    from zoo_export.graph import surround

    multiple = getattr(model.generator, "multiple", 1)
    onnx = surround(_generator_graph(model, multiple), size=model.recipe.size, multiple=multiple)
    for key, value in _about(model, multiple).items():
        onnx.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    content: bytes = onnx.SerializeToString()
    return content


def _generator_graph(model: Model, multiple: int) -> Any:
    """Export the generator alone, for sides that are multiples of what it needs."""
    import torch

    from zoo_export.graph import RAW, SEEN

    # Nothing is 1, on no level, since the exporter takes that for a constant; and no two are the same.
    blocks = max(2, 64 // multiple)
    example = torch.zeros(2, 1, blocks * multiple, (blocks + 1) * multiple)
    batch, height, width = (torch.export.Dim(name, min=1) for name in ("batch", "rows", "columns"))
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                model.generator.requires_grad_(False),
                (example,),
                input_names=[SEEN],
                output_names=[RAW],
                dynamo=True,
                dynamic_shapes=({0: batch, 2: multiple * height, 3: multiple * width},),
                verbose=False,
            )
        return program.model_proto
    except Exception as error:
        # Whatever a network does that the exporter cannot follow: it has no error of its own for that.
        raise ZooError(
            f"{model.recipe.generator} cannot be exported to ONNX by torch {torch.__version__}: "
            f"{one_line(error.__cause__ or error)[:300]}"
        ) from error


def _about(model: Model, multiple: int) -> dict[str, Any]:
    """What a program, or a person, should know who has only the file."""
    from zoo.photo.color import CONVENTIONS
    from zoo.versions import zoo_version

    return {
        "zoo": zoo_version(),
        "color_space": CONVENTIONS["color_space"],
        "white_point": CONVENTIONS["white_point"],
        "lightness": "L*, in [0, 100]",
        "ab": "a* and b*, unbounded: may be outside of sRGB",
        "size": model.recipe.size,
        "multiple": multiple,
        "recipe": model.recipe.to_table(),
        "provenance": dict(model.provenance),
    }


def _compare(path: Path, samples: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference between what an ONNX file computes and what the model did.

    Raises:
        ZooError: it is too large, or the file cannot be run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised as well
    largest = 0.0
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        found = [session.run(["ab"], {"lightness": sample[None].numpy()})[0][0] for sample in samples]
    except Exception as error:  # onnxruntime has a class for each status, and no public base class
        raise ZooError(f"the exported model does not run: {one_line(error)[:300]}") from error
    for ours, theirs in zip(found, expected, strict=True):
        height, width = theirs.shape[1:]
        if ours.shape != tuple(theirs.shape):
            raise ZooError(f"of {width}×{height} pixels, the exported model makes {ours.shape[2]}×{ours.shape[1]}")
        difference = float(abs(ours - theirs.numpy()).max())
        allowed = TOLERANCE * max(1.0, float(theirs.abs().max()) / COLOURS)
        if not difference <= allowed:  # nor not a number
            raise ZooError(
                f"the exported model gives other colours: at {width}×{height} pixels, a* or b* differ by "
                f"{difference:.2g}, and {allowed:.2g} is allowed"
            )
        largest = max(largest, difference)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to themselves what the exporter and its libraries remark; where they fail, they print the whole graph."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

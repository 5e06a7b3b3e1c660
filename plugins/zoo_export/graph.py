"""What surrounds a generator in an ONNX graph: all that lies between a photograph's L* and its a* and b*.

The same as `zoo.model.Model` does it: the generator sees the photograph with its short side near the training crops',
at sides that are multiples of what it needs, and its chroma is enlarged to the photograph.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnx.parser

from zoo.model import MAX_PIXELS
from zoo.photo.color import AB_SCALE, LIGHTNESS_SCALE
from zoo.versions import zoo_version

SEEN, RAW = "zoo_seen", "zoo_raw"
"""What a generator's graph must call its input (N, 1, h, w) and its output (N, 2, h, w)."""

# Resizing is a product with a matrix for each side: bilinear, and where `smooth` is 1, with antialiasing, as torch does
# it. ONNX has a Resize with antialiasing, but runtimes lack it, or round the places of pixels, onnxruntime by as much
# as 1e-4 of one.
# Sides and places are computed in double precision (11; 7 is int64, 1 is float): where a side is half-way between two
# multiples, a rounding error would choose the other one.
_SURROUNDINGS = """
<ir_version: {ir_version}, opset_import: ["": {opset}, "zoo": 1]>
colorize (float[batch, 1, height, width] lightness) => (float[batch, 2, height, width] ab)
<
  double zoo_size = {{{size}}}, double zoo_most = {{{most}}}, double zoo_multiple = {{{multiple}}},
  double zoo_half = {{0.5}}, double zoo_one = {{1.0}}, double zoo_smooth = {{1.0}}, double zoo_plain = {{0.0}},
  float zoo_lightness_scale = {{{lightness_scale}}}, float zoo_ab_scale = {{{ab_scale}}},
  float zoo_white = {{1.0}}, float zoo_black = {{-1.0}}
>
{{
  zoo_sides = Shape <start = 2> (lightness)
  zoo_exact_sides = Cast <to = 11> (zoo_sides)
  zoo_short = ReduceMin <keepdims = 0> (zoo_exact_sides)
  zoo_pixels = ReduceProd <keepdims = 0> (zoo_sides)
  zoo_exact_pixels = Cast <to = 11> (zoo_pixels)
  zoo_by_side = Div (zoo_size, zoo_short)
  zoo_share = Div (zoo_most, zoo_exact_pixels)
  zoo_root = Sqrt (zoo_share)
  zoo_by_pixels = Mul (zoo_size, zoo_root)
  zoo_scale = Min (zoo_by_side, zoo_by_pixels)
  zoo_scaled = Mul (zoo_exact_sides, zoo_scale)
  zoo_blocks = Div (zoo_scaled, zoo_multiple)
  zoo_lower = Sub (zoo_blocks, zoo_half)
  zoo_rounded = Ceil (zoo_lower)
  zoo_nearest = Max (zoo_rounded, zoo_one)
  zoo_exact_seen_sides = Mul (zoo_nearest, zoo_multiple)
  zoo_seen_sides = Cast <to = 7> (zoo_exact_seen_sides)
  zoo_small = zoo.Resize (lightness, zoo_sides, zoo_seen_sides, zoo_smooth)
  zoo_small_scaled = Div (zoo_small, zoo_lightness_scale)
  zoo_small_centred = Sub (zoo_small_scaled, zoo_white)
  {seen} = Clip (zoo_small_centred, zoo_black, zoo_white)
  {raw} = Generator ({seen})
  zoo_large = zoo.Resize ({raw}, zoo_seen_sides, zoo_sides, zoo_plain)
  ab = Mul (zoo_large, zoo_ab_scale)
}}
<domain: "zoo", opset_import: ["": {opset}, "zoo": 1]>
Resize (picture, before, after, smooth) => (resized)
{{
  rows_before, columns_before = Split <num_outputs = 2> (before)
  rows_after, columns_after = Split <num_outputs = 2> (after)
  rows = zoo.Weights (rows_before, rows_after, smooth)
  columns = zoo.Weights (columns_before, columns_after, smooth)
  columns_upright = Transpose <perm = [1, 0]> (columns)
  narrow = MatMul (picture, columns_upright)
  resized = MatMul (rows, narrow)
}}
<domain: "zoo", opset_import: ["": {opset}]>
Weights (before, after, smooth) => (weights)
{{
  zero = Constant <value = double {{0.0}}> ()
  half = Constant <value = double {{0.5}}> ()
  one = Constant <value = double {{1.0}}> ()
  last = Constant <value = int64[1] {{-1}}> ()
  none = Constant <value = int64[1] {{0}}> ()
  before_scalar = Squeeze (before, none)
  after_scalar = Squeeze (after, none)
  length_before = Cast <to = 11> (before_scalar)
  length_after = Cast <to = 11> (after_scalar)
  scale = Div (length_before, length_after)
  wide = Mul (scale, smooth)
  reach = Max (wide, one)
  index_before = Range (zero, length_before, one)
  index_after = Range (zero, length_after, one)
  middle_before = Add (index_before, half)
  middle_after = Add (index_after, half)
  place = Mul (middle_after, scale)
  place_column = Unsqueeze (place, last)
  offset = Sub (middle_before, place_column)
  distance = Abs (offset)
  share = Div (distance, reach)
  triangle = Sub (one, share)
  positive = Max (triangle, zero)
  total = ReduceSum <keepdims = 1> (positive, last)
  exact = Div (positive, total)
  weights = Cast <to = 1> (exact)
}}
"""


def surround(generator: Any, *, size: int, multiple: int) -> Any:
    """Put a generator into a graph that takes photographs of any size.

    Args:
        generator: an onnx.ModelProto, lightness `SEEN` -> chroma `RAW`, as networks see them.
        size: short side of what it sees, in pixels.
        multiple: of which its sides must be multiples.

    Returns:
        An onnx.ModelProto: `lightness` (N, 1, H, W), L* in [0, 100] -> `ab` (N, 2, H, W), a* and b*.
    """
    whole = onnx.parser.parse_model(
        _SURROUNDINGS.format(
            ir_version=generator.ir_version,
            opset=next(entry.version for entry in generator.opset_import if entry.domain == ""),
            size=float(size),
            most=float(MAX_PIXELS),
            multiple=float(multiple),
            lightness_scale=LIGHTNESS_SCALE,
            ab_scale=AB_SCALE,
            seen=SEEN,
            raw=RAW,
        )
    )
    inner = generator.graph
    for node in inner.node:
        # Where in which of this computer's files each came from.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    nodes = list(whole.graph.node)
    place = next(index for index, node in enumerate(nodes) if node.op_type == "Generator")
    nodes[place : place + 1] = inner.node
    whole.graph.ClearField("node")
    whole.graph.node.extend(nodes)
    whole.graph.initializer.extend(inner.initializer)
    whole.opset_import.extend(entry for entry in generator.opset_import if entry.domain not in ("", "zoo"))
    whole.functions.extend(generator.functions)
    whole.producer_name, whole.producer_version = "zoo", zoo_version()
    return whole

"""Make the file of a model that ships out of a run: kernels in half precision, nobody's folders, a measured saturation.

python bench/ship.py runs/natural plugins/zoo_models/natural.safetensors [--saturation 1.2]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from zoo_publish.reducing import reduce_paths

from zoo.files import MODEL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--saturation", type=float, default=1.0, help="scales the last layer, and so the chroma")
    args = parser.parse_args()
    with safe_open(args.run / MODEL, "pt") as file:
        metadata = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    about = reduce_paths(json.loads(metadata["zoo"])).about
    about["provenance"]["saturation"] = args.saturation
    for name, tensor in weights.items():
        if name.startswith("model.segmentation_head."):
            tensor = tensor * args.saturation
        # What is small and adds up, such as a batch norm's statistics, stays as it is.
        weights[name] = tensor.to(torch.float16 if tensor.ndim > 1 and tensor.numel() > 1000 else tensor.dtype)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, args.file, {"zoo": json.dumps(about)})
    print(f"{args.file}: {args.file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

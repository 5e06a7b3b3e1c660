"""Pictures that programs hold in their hands: arrays, tensors and Pillow's pictures as photographs, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import UsageError
from zoo.photo.reading import Photo, photo_of_image, read_photo

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


_BAND = 2**20  # pixels converted at a time
_DEPTHS = {"uint8": 255.0, "uint16": 65535.0, "float": 1.0}
"""The value that means white."""


def photo_of(picture: Photo | str | os.PathLike[str] | Image.Image | NDArray[Any] | Tensor) -> Photo:
    """Take a picture for a photograph that shall get colours: as `read_photo` does, of whatever holds one.

    Args:
        picture: the path of a file, a picture of Pillow's, an array (H, W) or (H, W, C), or a tensor (H, W) or
            (C, H, W). Arrays and tensors are sRGB, or grey with its curve: uint8, uint16, or floats in [0, 1]; C is 1,
            2, 3 or 4: grey or RGB, each with or without alpha.

    Raises:
        UsageError: it is none of them.
        PhotoError: a file cannot be read, or is damaged.
    """
    if isinstance(picture, Photo):
        return picture
    if isinstance(picture, str | os.PathLike):
        return read_photo(picture)
    if isinstance(picture, Image.Image):
        return photo_of_image(picture, Path(getattr(picture, "filename", "") or "the picture"))
    return _photo_of_array(_as_array(picture))


def image_of(rgb: Tensor, photo: Photo) -> Image.Image:
    """Make a picture of Pillow's, which notebooks display, of what a photograph became.

    Args:
        rgb: uint8 (3, H, W), sRGB.
        photo: the photograph: its alpha is the picture's; what the camera noted and the dpi are in its `info`.
    """
    image = Image.fromarray(rgb.permute(1, 2, 0).contiguous().cpu().numpy())
    if photo.alpha is not None:
        alpha = photo.alpha.contiguous().cpu().numpy()
        image.putalpha(Image.fromarray(alpha if alpha.itemsize == 1 else (alpha >> 8).astype("uint8")))
    image.info |= {key: value for key, value in (("exif", photo.exif), ("dpi", photo.dpi)) if value is not None}
    return image


def _as_array(picture: Any) -> NDArray[Any]:
    """An array or a tensor as an array (H, W, C)."""
    import numpy as np
    import torch

    if isinstance(picture, torch.Tensor):
        values = picture.detach().cpu()
        values = values.float() if values.is_floating_point() else values  # numpy has no bfloat16
        array: NDArray[Any] = (values.movedim(0, -1) if values.ndim == 3 else values).numpy()
        layout = "(H, W) or (C, H, W)"
    elif isinstance(picture, np.ndarray):
        array, layout = picture, "(H, W) or (H, W, C)"
    else:
        raise UsageError(
            f"a {type(picture).__name__} is no photograph: give a path, a picture of Pillow's, an array or a tensor"
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or 0 in array.shape:
        raise UsageError(
            f"a photograph's values have the shape {layout}, C from 1 to 4, not {tuple(picture.shape)}; one at a time"
        )
    return array


def _photo_of_array(array: NDArray[Any]) -> Photo:
    """A photograph of sRGB values (H, W, C)."""
    import numpy as np
    import torch

    from zoo.photo.color import rgb_to_lab

    peak = _peak(array)
    channels = array.shape[2]
    pixels, lightness = array[..., : channels - 1 if channels in (2, 4) else channels], []
    rows = max(1, _BAND // array.shape[1])
    for top in range(0, len(array), rows):
        band = pixels[top : top + rows]
        if band.dtype != np.uint8:
            band = np.divide(band, peak, dtype=np.float32).clip(0, 1)
        # Not as it lies: the array may be read-only, or turned around.
        planes = torch.from_numpy(np.array(band)).permute(2, 0, 1)
        lightness.append(rgb_to_lab(planes.expand(3, -1, -1))[:1])
    alpha = None
    if channels in (2, 4):
        opacity = np.rint(array[..., -1] * np.float64(255.0 / peak)).astype(np.uint8)
        if opacity.min() < 255:
            alpha = torch.from_numpy(opacity)
    return Photo(torch.cat(lightness, dim=1), alpha)


def _peak(array: NDArray[Any]) -> float:
    """The value that means white."""
    import numpy as np

    kind = "float" if np.issubdtype(array.dtype, np.floating) else array.dtype.name
    if kind not in _DEPTHS:
        raise UsageError(f"a photograph's values are uint8, uint16, or floats from 0 to 1, not {array.dtype}")
    if kind == "float":
        low, high = float(array.min()), float(array.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # rounding is forgiven; NaN is not
            raise UsageError(
                f"floats of a photograph are from 0 to 1, and these from {low:.4g} to {high:.4g}: divide them by the "
                "value that means white, or give them as uint8 or uint16"
            )
    return _DEPTHS[kind]

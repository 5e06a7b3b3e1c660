"""Tiny films, for tests: drawn, with a tone and subtitles, in whatever kind of file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import colourful
from numpy.typing import NDArray

av: Any = pytest.importorskip("av", reason="the extra `video` is not installed")

HEIGHT, WIDTH = 48, 64
TICKS = Fraction(1, 12800)
"""The time base of these films."""


def picture(number: int, *, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A view that pans over a picture of greys: (height, width)."""
    wide = np.asarray(colourful(height, 3 * width, seed=3).convert("L"))
    return wide[:, number : number + width]


def make_film(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]] | int = 20,
    *,
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    turned: int = 0,
    tone: str = "",
    subtitles: str = "",
    aspect: Fraction | None = None,
    comment: str = "",
) -> Path:
    """Make a film of greys at 25 frames per second, unless times are given in its time base.

    Args:
        path: its ending says which kind of file.
        pictures: luma of each frame, (H, W); or how many.
        times: when each is shown.
        codec: of the pictures.
        pixels: their format.
        tags: range, matrix, primaries, transfer.
        turned: rotation, in degrees.
        tone: codec of the sound, if there is one.
        subtitles: codec of the subtitles, if there are some.
        aspect: of a pixel.
        comment: what the file says of the film.
    """
    if isinstance(pictures, int):
        pictures = [picture(number) for number in range(pictures)]
    height, width = pictures[0].shape
    with av.open(
        str(path), "w", container_options={"video_track_timescale": "12800"} if path.suffix == ".mp4" else {}
    ) as out:
        stream: Any = out.add_stream(codec, rate=25, options={"crf": "1"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        context = stream.codec_context
        context.time_base = TICKS if path.suffix == ".mp4" else Fraction(1, 1000)
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = tags
        if aspect:
            context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(turned)
        sound: Any = out.add_stream(tone, rate=8000, layout="mono") if tone else None
        words = out.add_mux_stream(subtitles, time_base=Fraction(1, 1000)) if subtitles else None
        out.metadata.update({"title": "Gardens"} | ({"comment": comment} if comment else {}))
        out.start_encoding()
        for number, luma in enumerate(pictures):
            frame = grey_frame(luma, pixels)
            frame.pts = times[number] if times else round(Fraction(number, 25) / context.time_base)
            frame.time_base = context.time_base
            frame.color_range = tags[0]
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if sound:
            for number in range(len(pictures) * 320 // 1024 + 1):
                wave = 0.3 * np.sin(np.arange(number * 1024, (number + 1) * 1024, dtype=np.float32) / 3)
                piece: Any = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
                piece.sample_rate, piece.pts, piece.time_base = 8000, number * 1024, Fraction(1, 8000)
                out.mux(sound.encode(piece))
            out.mux(sound.encode())
        if words:
            for number in range(2):
                packet = av.Packet(
                    f"\x00\x05Row {number}".encode() if subtitles == "mov_text" else f"Row {number}".encode()
                )
                packet.pts = packet.dts = 300 * number
                packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), words
                out.mux(packet)
    return path


def grey_frame(luma: NDArray[np.uint8], pixels: str) -> Any:
    """A frame without colours."""
    frame: Any = av.VideoFrame(luma.shape[1], luma.shape[0], pixels)
    if frame.format.is_rgb:
        return av.VideoFrame.from_ndarray(np.repeat(luma[:, :, None], 3, 2), "rgb24").reformat(format=pixels)
    deep = frame.format.components[0].bits - 8
    for plane in range(len(frame.planes)):
        where = plane_of(frame, plane)
        where[:] = luma.astype(where.dtype) << deep if plane == 0 else 128 << deep
    return frame


def plane_of(frame: Any, number: int) -> NDArray[Any]:
    """The numbers of one of its planes, as a view."""
    plane = frame.planes[number]
    numbers = np.frombuffer(plane, np.uint16 if frame.format.components[0].bits > 8 else np.uint8)
    across = plane.width * (2 if frame.format.name == "nv12" and number else 1)
    return numbers.reshape(-1, plane.line_size // numbers.itemsize)[: plane.height, :across]


def frames_of(path: Path) -> list[Any]:
    """All frames of a film, decoded."""
    with av.open(str(path)) as film:
        return list(film.decode(video=0))


def lumas(path: Path) -> NDArray[Any]:
    """The luma of all frames: (N, H, W)."""
    return np.stack([plane_of(frame, 0) for frame in frames_of(path)])


def packets_of(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """When the packets of the first stream of a kind come, in seconds, and what is in them."""
    with av.open(str(path)) as film:
        packets: Any = film.demux(next(stream for stream in film.streams if stream.type == kind))
        found = [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets if packet.size]
        # MP4 fills the time without subtitles with empty ones.
        return [one for one in found if one[1] != b"\0\0"]

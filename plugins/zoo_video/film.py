"""A film as PyAV reads it: what kind it is, and its frames, one after another, as planar YUV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import UsageError, ZooError
from zoo.files import quoted

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer
    from av.video.format import VideoFormat
    from numpy.typing import NDArray

_MATRICES = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}
_MATRICES[9] = (0.2627, 0.0593)
"""How much red and blue count in luma, by the numbers of ITU-T H.273: BT.709, FCC, BT.601, SMPTE 240M, BT.2020."""
_RGB, _UNSAID = 0, 2
_HDR = {16: "PQ", 18: "HLG"}
_LIMITED, _FULL = 1, 2
_HD = 577  # lines: films that do not say their matrix have that of BT.709 from there on, and below that of BT.601


@dataclass(frozen=True)
class Film:
    """What kind of film it is."""

    path: Path
    stream: int
    """Which of its streams holds the pictures."""
    width: int
    height: int
    pixels: str
    """The pixel format in which its frames are handed out."""
    depth: int
    """Bits of luma there."""
    tags: tuple[int, int, int, int]
    """Range, matrix, primaries and transfer of its colours, by the numbers of ITU-T H.273, as the result says them."""
    red: float
    blue: float
    """How much they count in luma."""
    display: tuple[int, ...] | None
    """The matrix that turns it round for display, as libav has it."""
    turns: int
    """Quarters of a turn, against the clock, after which it is upright."""
    time_base: Fraction
    rate: Fraction
    """Frames per second, in the mean."""
    aspect: Fraction | None
    """Width of a pixel divided by its height, where it is said."""
    frames: int | None
    """How many there are about, where that is known."""

    @property
    def full_range(self) -> bool:
        """Whether luma reaches from 0 to the highest value, and not from 16 to 235 of 255."""
        return self.tags[0] == _FULL


def examine(path: Path, *, lossless: bool) -> Film:
    """Look at a film, and at its first frame.

    Args:
        path: the file.
        lossless: whether all of its depth is wanted.

    Raises:
        UsageError: it is none, or of a kind that cannot be coloured.
        ZooError: it cannot be read.
    """
    with opened(path) as container:
        stream = _pictures(path, container)
        frame = next(_decoded(path, container, stream), None)
        if frame is None:
            raise ZooError(f"{path} has no frame that can be read")
        form, count, tags = frame.format, stream.frames, _tags(path, frame)
        if not count and container.duration and stream.average_rate:
            count = round(container.duration / 1_000_000 * stream.average_rate)
        depth = _depth(form, lossless=lossless)
        turned: Any = frame.side_data.get("DISPLAYMATRIX")
        assert stream.time_base is not None
        red, blue = _MATRICES[tags[1]] if tags[1] in _MATRICES else _MATRICES[1 if frame.height >= _HD else 5]
        return Film(
            path=path,
            stream=stream.index,
            width=frame.width,
            height=frame.height,
            pixels=f"yuv{_subsampling(form, frame.width, frame.height)}p{'' if depth == 8 else f'{depth}le'}",
            depth=depth,
            tags=tags,
            red=red,
            blue=blue,
            display=tuple(int(n) for n in np.frombuffer(bytes(turned), np.int32)) if turned is not None else None,
            turns=round(frame.rotation / 90) % 4,
            time_base=stream.time_base,
            rate=stream.average_rate or stream.guessed_rate or Fraction(25),
            aspect=stream.sample_aspect_ratio or None,
            frames=count or None,
        )


class Frames:
    """A film's frames from the first one on, in the order in which they are seen; each may be written into.

    Iterating raises `ZooError` where the film cannot be read on, or changes its size.
    """

    def __init__(self, film: Film) -> None:
        """Take the frames of a film."""
        self._film = film
        self.damaged = 0
        """Pieces of the film so far that could not be decoded, and were passed over."""

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield them, in the film's `pixels` and its time base. Each is seen later than the one before."""
        film = self._film
        step = max(1, round(1 / (film.rate * film.time_base)))
        last: int | None = None
        with opened(film.path) as container:
            stream = container.streams[film.stream]
            for frame in _decoded(film.path, container, stream, self):
                if (frame.width, frame.height) != (film.width, film.height):
                    raise ZooError(
                        f"{film.path} changes its size from {film.width}×{film.height} to {frame.width}×{frame.height} "
                        f"at {float((frame.pts or 0) * film.time_base):.1f} s: cut it there, and colour both"
                    )
                if frame.pts is None:  # such films have no times, or just one that is missing
                    frame.pts = 0 if last is None else last + step
                    frame.time_base = film.time_base
                if last is not None and frame.pts <= last:
                    self.damaged += 1
                    continue
                last = frame.pts
                yield _as(frame, film)


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a film.

    Raises:
        UsageError: there is none, or it is something else.
        ZooError: it cannot be read.
    """
    import av

    if not path.is_file():
        raise UsageError(f"there is no film {path}" if not path.exists() else f"{path} is not a file")
    try:
        # What is no text must not keep a film from being opened. PyAV 19 takes it as it is, and cannot be told.
        told: Any = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
        # An absolute path is never taken for an address.
        container = av.open(str(path.absolute()), **told)
    except av.FFmpegError as error:
        raise ZooError(f"{path} cannot be read as a film: {in_words(error)}") from error
    with container:
        yield container


def in_words(error: Exception) -> str:
    """Say what libav says."""
    return quoted(str(getattr(error, "strerror", None) or error)).strip("'")


def values(frame: VideoFrame, plane: int) -> NDArray[Any]:
    """Return the numbers of a frame's plane, (H, W), of 8 or 16 bits, as a view."""
    where: Any = frame.planes[plane]
    numbers = np.frombuffer(where, np.uint8 if frame.format.components[0].bits == 8 else np.uint16)
    rows: NDArray[Any] = numbers.reshape(-1, where.line_size // numbers.itemsize)
    return rows[: where.height, : where.width]


def _pictures(path: Path, container: InputContainer) -> VideoStream:
    name = container.format.name
    if name.endswith("_pipe") or name in ("image2", "tty"):
        raise UsageError(f"{path} is no film: zoo colorize is for photographs")
    for stream in container.streams.video:
        if not stream.disposition & 0x400:  # a cover is a picture, too
            if stream.codec_context is None:
                break
            return stream
    raise UsageError(f"{path} has no moving pictures" + " that can be decoded" * bool(container.streams.video))


def _decoded(path: Path, container: InputContainer, stream: Any, reader: Frames | None = None) -> Iterator[VideoFrame]:
    import av

    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            raise ZooError(f"{path} cannot be read on: {in_words(error)}") from error
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            # As players do: what cannot be decoded is not shown.
            if reader is not None:
                reader.damaged += 1
            continue
        yield from frames


def _has_luma(form: VideoFormat) -> bool:
    """Whether a pixel format has luma that can be kept, and not RGB or something else that has to be converted."""
    first = form.components[0]
    return first.is_luma and first.bits >= 8 and not form.has_palette and not form.name.startswith("xyz")


def _is_grey(form: VideoFormat) -> bool:
    return _has_luma(form) and len(form.components) < 3  # there may be alpha


def _tags(path: Path, frame: VideoFrame) -> tuple[int, int, int, int]:
    form = frame.format
    span, matrix, primaries, transfer = frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc
    if transfer in _HDR:
        raise UsageError(f"{path} is in HDR ({_HDR[transfer]}), which is not supported: convert it to SDR first")
    if not _has_luma(form):
        return _FULL, 1, primaries, transfer
    if matrix not in (*_MATRICES, _RGB, _UNSAID, 3):
        raise UsageError(f"{path} has colours of a kind that is not supported (matrix {matrix} of H.273)")
    if span not in (_LIMITED, _FULL) and (_is_grey(form) or form.name.startswith("yuvj")):
        span = _FULL  # what players take it for
    return span, _UNSAID if matrix == _RGB else matrix, primaries, transfer


def _depth(form: VideoFormat, *, lossless: bool) -> int:
    bits = max(component.bits for component in form.components)
    if bits <= 8:
        return 8
    if bits <= 10 or not lossless:
        return 10
    return 12 if bits <= 12 else 16


def _subsampling(form: VideoFormat, width: int, height: int) -> str:
    """Return in how many of the pixels the result's chroma is; it is the network's, so the source's does not matter."""
    if not _has_luma(form):
        return "444"
    if width % 2 or height % 2:
        return "444"  # encoders have no half pixels
    if _is_grey(form):
        return "420"
    across, down = form.chroma_width(64) < 64, form.chroma_height(64) < 64
    return ("420" if down else "422") if across else "444"


def _as(frame: VideoFrame, film: Film) -> VideoFrame:
    """Return a frame in the film's format: its own luma, wherever there is one, and room for chroma."""
    form = frame.format
    if _is_grey(form):
        frame = _with_chroma(frame, film)
    elif not _has_luma(form):
        frame = frame.reformat(format=film.pixels, dst_colorspace=1, dst_color_range=_FULL)
    elif form.name != film.pixels:
        span = film.tags[0] if film.tags[0] in (_LIMITED, _FULL) else None
        frame = frame.reformat(format=film.pixels, src_color_range=span, dst_color_range=span)
    frame.make_writable()
    frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = film.tags
    frame.pict_type = 0  # how its source was encoded is nothing to its encoder
    return frame


def _with_chroma(frame: VideoFrame, film: Film) -> VideoFrame:
    import av

    # Not converted by libav, which takes greys for full range whatever they say.
    grey = "gray" if film.depth == 8 else f"gray{film.depth}le"
    if frame.format.name != grey:
        frame = frame.reformat(format=grey)
    new = av.VideoFrame(frame.width, frame.height, film.pixels)
    values(new, 0)[:] = values(frame, 0)
    new.pts, new.time_base, new.duration = frame.pts, frame.time_base, frame.duration
    return new

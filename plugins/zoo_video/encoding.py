"""From coloured frames to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.files import explain_os_error
from zoo_video.film import in_words

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer

    from zoo_video.film import Film

_X264 = {"crf": "16", "preset": "medium", "mbtree": "0"}
"""16 is where few see a difference. With mbtree, the same frames became other bits in another process: a film that was
ended in between would not come out the same."""
_FFV1 = {"level": "3", "slicecrc": "1"}
"""What archives ask for: a checksum in every slice."""


def encode(file: Path, film: Film, frames: Iterable[VideoFrame], *, lossless: bool) -> tuple[list[int], int]:
    """Encode frames into a NUT file.

    Args:
        file: it is there, empty.
        film: which film they are of.
        frames: in its pixel format, one at least.
        lossless: as FFV1, number by number; otherwise as H.264, so well that a difference is hard to see.

    Returns:
        When each is shown, in the film's time base, in the order in which they are in the file; and for how long the
        last one is shown, 0 where nobody knows.

    Raises:
        ZooError: they cannot be encoded, or the file cannot be written.
    """
    times: list[int] = []
    duration = 0
    with writing(file, "nut") as out:
        stream = add_pictures(out, film, lossless=lossless)

        def write(frame: VideoFrame | None) -> None:
            for packet in stream.encode(frame):
                times.append(packet.pts)  # the file may begin at another time
                out.mux(packet)

        for frame in frames:
            duration = frame.duration
            write(frame)
        write(None)
    return times, duration


def add_pictures(out: OutputContainer, film: Film, *, lossless: bool) -> Any:
    """Add the stream of a film's pictures to a file that is written, to be encoded."""
    stream: Any = out.add_stream("ffv1" if lossless else "libx264", film.rate, _FFV1 if lossless else _X264)
    stream.width, stream.height, stream.pix_fmt = film.width, film.height, film.pixels
    stream.codec_context.time_base = film.time_base
    if not lossless:
        stream.codec_context.thread_type = "FRAME"  # goes on beside the network; slices would wait for each other
    describe_pictures(stream, film)
    return stream


def describe_pictures(stream: Any, film: Film) -> None:
    """Have a stream say of its pictures what the film says of them."""
    context = stream.codec_context
    context.color_range, context.colorspace, context.color_primaries, context.color_trc = film.tags
    context.framerate = film.rate
    if film.aspect:
        context.sample_aspect_ratio = film.aspect
    stream.set_display_matrix(film.display)


@contextmanager
def writing(file: Path, form: str, options: dict[str, str] | None = None) -> Iterator[OutputContainer]:
    """Write a film.

    Raises:
        ZooError: libav cannot do it, or the disk.
    """
    import av

    try:
        with av.open(str(file.absolute()), "w", format=form, container_options=options or {}) as out:
            yield out
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise ZooError(f"cannot write into {file.parent}: {explain_os_error(error)}") from error
        raise ZooError(f"the coloured frames cannot be written: {in_words(error)}") from error

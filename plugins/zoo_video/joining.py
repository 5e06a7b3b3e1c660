"""From segments to the coloured film: with the sound, the subtitles and all else of the original, copied as it is."""

from __future__ import annotations

import heapq
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, ZooError
from zoo.files import replacing
from zoo_video.encoding import add_pictures, describe_pictures, writing
from zoo_video.film import opened

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

    from zoo.photo import Mark
    from zoo_video.film import Film
    from zoo_video.segments import Segment

CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
"""By the ends of files' names."""
_DISPENSABLE = ("data", "unknown")
"""Kinds of streams that nobody sees or hears, such as a camera's time codes."""
_CALLED = {"audio": "sound", "subtitle": "subtitles", "video": "other pictures", "attachment": "attachments"}
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
"""What a file says of itself, and not of the film."""
_COMMENT = "comment"


def check_room(film: Film, target: Path, *, lossless: bool) -> list[int]:
    """See that what the film has besides its pictures can be copied into the kind of file that is wanted.

    Returns:
        Streams that cannot, and that nobody sees or hears.

    Raises:
        UsageError: another one cannot.
    """
    import av

    def fit(streams: Sequence[Stream]) -> bool:
        try:
            with av.open(io.BytesIO(), "w", format=CONTAINERS[target.suffix.lower()]) as out:
                add_pictures(out, film, lossless=lossless)
                for stream in streams:
                    _add_copy(out, stream)
                out.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
        return True

    with opened(film.path) as source:
        others = [stream for stream in source.streams if stream.index != film.stream]
        unfit = [] if fit(others) else [stream for stream in others if not fit([stream])]
        for stream in unfit:
            if stream.type not in _DISPENSABLE:
                codec = stream.codec_context.name if stream.codec_context is not None else "of a kind that is not known"
                raise UsageError(
                    f"{target}: {target.suffix} files cannot hold the film's {_CALLED.get(stream.type, stream.type)} "
                    f"({codec}); take {' or '.join(end for end in CONTAINERS if end != target.suffix.lower())}"
                )
        return [stream.index for stream in unfit]


def join(film: Film, segments: Sequence[Segment], target: Path, mark: Mark, *, without: Collection[int] = ()) -> None:
    """Write the coloured film.

    Args:
        film: the original.
        segments: of all of its frames, one at least.
        target: the file; what is there is replaced.
        mark: what its comment says of where its colours come from, after the original's own.
        without: streams of the original that are left out.

    Raises:
        ZooError: the original or a segment cannot be read, or the file cannot be written.
        OSError: the file cannot be made.
    """
    form = CONTAINERS[target.suffix.lower()]
    ticks = str(film.time_base.denominator)
    exact = {"video_track_timescale": ticks, "movie_timescale": ticks} if film.time_base.numerator == 1 else {}
    with ExitStack() as stack:
        source = stack.enter_context(opened(film.path))
        first = stack.enter_context(opened(segments[0].file))
        new = stack.enter_context(replacing(target))
        out = stack.enter_context(writing(new, form, exact if form != "matroska" else None))
        _describe(out, source, mark)
        copies: dict[int, Stream] = {}
        for stream in source.streams:
            if stream.index == film.stream:
                pictures: Any = out.add_stream_from_template(first.streams.video[0], opaque=True)
                pictures.time_base = film.time_base
                describe_pictures(pictures, film)
                _name(pictures, stream)
            elif stream.index not in without:
                copies[stream.index] = _add_copy(out, stream)
        out.start_encoding()  # what has no packets in it is written, too
        coming = (_pictures(film, segments, pictures), _copied(source, copies))
        # In the order of their times, so that nothing has to wait in memory for something else.
        for _, packet in heapq.merge(*coming, key=lambda one: one[0]):
            out.mux_one(packet)


def _describe(out: OutputContainer, source: InputContainer, mark: Mark) -> None:
    told = {key: value for key, value in source.metadata.items() if key.lower() not in _OF_THE_FILE}
    # Kinds of files differ in how they spell it.
    comments = [told.pop(key) for key in list(told) if key.lower() == _COMMENT]
    out.metadata.update({**told, _COMMENT: "\n".join([*comments, _in_words(mark)])})
    if chapters := source.chapters():
        out.set_chapters(chapters)


def _in_words(mark: Mark) -> str:
    model = f" with {mark.model or 'a model'}, SHA-256 {mark.sha256}" if mark.sha256 else ""
    return f"coloured by zoo {mark.version}{model}"


def _add_copy(out: OutputContainer, stream: Stream) -> Stream:
    copy = out.add_stream_from_template(stream, opaque=True)
    _name(copy, stream)
    return copy


def _name(copy: Stream, stream: Stream) -> None:
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key.lower() not in _OF_THE_FILE})
    copy.disposition = stream.disposition


def _pictures(film: Film, segments: Sequence[Segment], stream: Any) -> Iterator[tuple[float, Packet[Any]]]:
    """Yield the packets of all segments, with the times that their frames have in the film, and when they come."""
    shown = sorted(time for segment in segments for time in segment.times)
    place = {time: number for number, time in enumerate(shown)}
    decoded = [place[time] for segment in segments for time in segment.times]
    # A frame is decoded before it is shown; how much, if some are shown in another order, is the same everywhere.
    delay = max(number - place for number, place in enumerate(decoded))
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    last = segments[-1].last_duration or step
    number = 0
    for segment in segments:
        with opened(segment.file) as file:
            end = number + len(segment.times)
            for packet in file.demux(file.streams.video[0]):
                if not packet.size:
                    continue
                if number == end:
                    raise _damaged(segment)
                at = decoded[number]
                early = number - delay
                packet.pts, packet.time_base = shown[at], film.time_base
                packet.dts = shown[early] if early >= 0 else shown[0] + early * step
                packet.duration = shown[at + 1] - shown[at] if at + 1 < len(shown) else last
                packet.stream = stream
                yield float(packet.dts * film.time_base), packet
                number += 1
        if number != end:
            raise _damaged(segment)


def _damaged(segment: Segment) -> ZooError:
    return ZooError(f"{segment.file} is damaged: remove it and what comes after it, and begin the command again")


def _copied(source: InputContainer, copies: dict[int, Stream]) -> Iterator[tuple[float, Packet[Any]]]:
    """Yield the packets of other streams as they are, and when they come."""
    now = 0.0
    streams: list[Any] = [source.streams[index] for index in copies]
    if not copies:
        return
    for packet in source.demux(*streams):
        time = packet.dts if packet.dts is not None else packet.pts
        if time is None and not packet.size:
            continue  # the end of one of them
        if time is not None:
            now = max(now, float(time * packet.time_base))
        packet.stream = copies[packet.stream.index]
        yield now, packet

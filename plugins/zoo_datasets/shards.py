"""Tar files of photographs, in WebDataset's layout: what belongs to one sample shares its name up to the first dot.

Nothing is extracted, and nothing is read in a stream: a shard's headers say where each photograph begins, so any of
them can be read at once, in any order, by any process.
"""

from __future__ import annotations

import functools
import io
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor

from zoo.errors import PhotoError, UsageError
from zoo.files import explain_os_error
from zoo.photo.reading import decode_rgb
from zoo.registry.contracts import LeftOut, Progress, Split
from zoo.suggest import did_you_mean
from zoo_datasets.judging import Cache, File, Verdict, fingerprint_of, judge, nothing_usable, sort_out
from zoo_datasets.splitting import members

_PHOTOGRAPHS = frozenset({"jpg", "jpeg", "png", "webp"})
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 100_000


@dataclass(frozen=True)
class Member:
    """Where a photograph is."""

    shard: str
    key: str
    """Its name in the shard up to the first dot of its last part."""
    file: File
    """`shard.tar/key.jpg`, its bytes, and when the shard was changed."""
    offset: int


class ShardsDataset:
    """The photographs of one split of some shards.

    Attributes:
        fingerprint: The same for the same names and sizes of photographs, whichever shards they are in.
        left_out: What looks like a photograph and is not used, whatever the split.
        names: The photographs' names, each after that of its shard.
    """

    def __init__(self, found: list[Member], left_out: list[LeftOut], decode: int) -> None:
        self.left_out = left_out
        self.names = [member.file.path for member in found]
        self._found = found
        self._decode = decode
        self.fingerprint = fingerprint_of((member.key, member.file.size) for member in found)

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: int) -> Tensor:
        """Read one photograph -> uint8 (3, H, W), sRGB, upright.

        Raises:
            PhotoError: It can no longer be read.
            IndexError: There are fewer photographs.
        """
        member = self._found[index]
        try:
            data = _read(member)
        except OSError as error:
            raise PhotoError(f"cannot read {member.file.path}: {explain_os_error(error)}") from error
        return decode_rgb(data, member.file.path, min_side=self._decode)


def shards(
    *,
    split: Split,
    progress: Progress | None = None,
    path: Path,
    val: Annotated[float, Field(gt=0, lt=1)] = 0.05,
    min_side: Annotated[int, Field(ge=16)] = 64,
    decode: Annotated[int, Field(ge=16)] = 512,
) -> ShardsDataset:
    """Tar files of photographs in WebDataset's layout: entries .jpg, .jpeg, .png and .webp, one of each sample.

    Where the folder has sub-folders `train` and `val`, these are the split. Otherwise each sample's key, its name up to
    the first dot, decides for itself, whichever shard it is in. What cannot be learnt from (damaged, tiny, already grey
    or sepia) is left out and listed, as by the data set folder. The tar files must not be compressed.

    Args:
        path: A folder of .tar files, one such file, or several by their numbers: "photos-{000..099}.tar".
        val: Share of the photographs that is kept for validation, where there are no sub-folders train and val.
        min_side: Photographs with a short side of fewer pixels than this are left out.
        decode: Larger photographs are scaled down to a short side of this many pixels when read, which is much faster.

    Raises:
        UsageError: There are no such files, one is missing or compressed, or one of the splits would be empty.
    """
    path = path.expanduser()
    divided = (path / "train").is_dir() and (path / "val").is_dir()
    place = path / split if divided else path
    progress = progress or _in_silence
    left_out: list[LeftOut] = []
    found: dict[str, Member] = {}
    tars = _shards(place)
    together = len({tar.parent for tar in tars}) == 1
    for tar in tars:
        for member in _members(tar, tar.name if together else tar.as_posix(), left_out):
            # Of two entries of one name, a tar file means the later one; a sample has one photograph, the first.
            found.setdefault(member.file.path, member)
            progress(len(found), None)
    found = {member.file.path: member for member in _one_of_each_sample(found)}
    files = [member.file for member in found.values()]
    cache = Cache("shards", os.fsencode(place.absolute()), files)
    usable, unusable = sort_out(files, functools.partial(_judge, found), cache, min_side, progress)
    left_out = sorted(left_out + unusable, key=lambda item: item.path)
    chosen = [found[file.path] for file in usable]
    if not chosen:
        raise UsageError(nothing_usable(place, left_out, "entries .jpg, .jpeg, .png and .webp of .tar files"))
    if not divided:
        keys = {member.key for member in chosen}
        if len(keys) == 1:
            raise UsageError(
                f"{place} holds a single usable sample, {next(iter(keys))}: "
                "two at least are needed, one to learn from and one to validate with"
            )
        ours = members(keys, split, val)
        chosen = [member for member in chosen if member.key in ours]
    return ShardsDataset(chosen, left_out, decode)


def _in_silence(_done: int, _total: int | None) -> None:
    """Tell nobody."""


def _shards(place: Path) -> list[Path]:
    """List the tar files that a path means."""
    try:
        if place.is_dir():
            found = sorted(each for each in place.iterdir() if each.suffix == ".tar" and not each.name.startswith("."))
            if not found:
                raise UsageError(f"{place} holds no .tar file")
            return found
        wanted = list(_expanded(str(place)))
        if missing := [name for name in wanted if not Path(name).is_file()]:
            several = f", and {len(missing) - 1:,} more of {len(wanted):,} are missing" if len(missing) > 1 else ""
            first = Path(missing[0])
            neighbours: list[str] = []
            with suppress(OSError):
                neighbours = [each.name for each in first.parent.iterdir()]
            raise UsageError(f"there is no file {first}{several}{did_you_mean(first.name, neighbours)}")
    except OSError as error:
        raise UsageError(f"cannot look into {place}: {explain_os_error(error)}") from error
    return [Path(name) for name in wanted]


def _expanded(text: str) -> Iterator[str]:
    """Write out ranges: {08..10} is 08, 09 and 10."""
    ranges = _RANGE.findall(text)
    count = 1
    for first, last in ranges:
        if int(first) > int(last):
            raise UsageError(f"{{{first}..{last}}} in {text} is empty: write the smaller number first")
        count *= int(last) - int(first) + 1
    if count > _MOST_SHARDS:
        raise UsageError(f"{text} means {count:,} files: {_MOST_SHARDS:,} are the most")
    match = _RANGE.search(text)
    if match is None:
        yield text
        return
    for number in range(int(match[1]), int(match[2]) + 1):
        yield from _expanded(f"{text[: match.start()]}{number:0{len(match[1])}d}{text[match.end() :]}")


def _one_of_each_sample(found: dict[str, Member]) -> Iterator[Member]:
    seen = set()
    for member in found.values():
        if (sample := (member.shard, member.key)) not in seen:
            seen.add(sample)
            yield member


def _members(shard: Path, name: str, left_out: list[LeftOut]) -> list[Member]:
    """Find the photographs of a shard by its headers; what is wrong with it is added to `left_out`."""
    try:
        status = shard.stat()
        found, problem = _index(shard, name, status.st_size, status.st_mtime_ns)
    except OSError as error:
        left_out.append(LeftOut(name, f"unreadable: {explain_os_error(error)}"))
        return []
    if problem:
        left_out.append(LeftOut(name, problem))
    return found


# Both splits look through the same shards.
@functools.lru_cache(maxsize=4096)
def _index(shard: Path, name: str, size: int, changed: int) -> tuple[list[Member], str]:
    found: list[Member] = []
    with shard.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for entry in archive:
                    # It keeps all headers, of which none is needed again.
                    archive.members = []  # type: ignore[attr-defined]
                    folder, _, last = entry.name.rpartition("/")
                    key, _, kind = last.partition(".")
                    if not entry.isreg() or entry.issparse() or not key or kind.lower() not in _PHOTOGRAPHS:
                        continue
                    path = f"{name}/{entry.name.lstrip('./')}"
                    found.append(
                        Member(
                            str(shard),
                            f"{folder}/{key}".lstrip("./"),
                            File(path, entry.size, changed),
                            entry.offset_data,
                        )
                    )
        except tarfile.TarError as error:
            file.seek(0)
            if file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")):
                raise UsageError(
                    f"{shard} is compressed: its photographs are already, so unpack it to a plain .tar"
                ) from None
            if size and found:
                return found, f"unreadable: it is damaged or cut short ({error})"
            return found, "unreadable: it is no tar file"
    return found, ""


def _read(member: Member) -> bytes:
    # Opened anew each time, which takes microseconds: so no process has a place in a file of another's.
    with open(member.shard, "rb") as file:  # noqa: PTH123
        file.seek(member.offset)
        return file.read(member.file.size)


def _judge(found: dict[str, Member], file: File) -> Verdict:
    """See whether an entry is a colour photograph."""
    try:
        data = _read(found[file.path])
    except OSError as error:
        return Verdict(0, f"unreadable: {explain_os_error(error)}", lasting=False)
    return judge(io.BytesIO(data), len(data))

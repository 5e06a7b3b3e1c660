"""Photographs coloured by several models, side by side: contact sheets, and a page to flip through them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo.errors import BrokenContractError, UsageError, ZooError
from zoo.evaluation.comparison import Comparison, Row
from zoo.evaluation.photographs import LARGEST, as_text
from zoo.evaluation.saving import check_folder
from zoo.evaluation.versions import Version
from zoo.files import explain_os_error
from zoo.photo import find_photos
from zoo.photo.finding import spread
from zoo.registry.contracts import LeftOut, Progress

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from zoo.given import Extra
    from zoo.photo import Photo

GREY, ORIGINAL = "grey", "original"
"""The first column and the last one."""
SIDE = 320
"""Long side of the pictures on a sheet, in pixels."""
MOST = 100
"""Photographs that are compared where nobody says how many: of more, some that are spread over all of them."""
PAGE, SHEET = "compare.html", "sheet-{}.png"
"""The files of a comparison."""


def choose(photos: Sequence[Path], limit: int | None = None) -> list[tuple[Path, str]]:
    """Choose photographs to compare, each with a name to tell it by.

    Args:
        photos: files, and folders of them.
        limit: how many at most, spread over all of them.

    Raises:
        UsageError: there is no such file or folder, or no photograph in it.
    """
    if missing := [photo for photo in photos if not photo.exists()]:
        raise UsageError(f"--photos {missing[0]}: there is no such file or folder")
    found = [(file, as_text(relative.as_posix())) for file, relative in find_photos(photos)]
    if not found:
        raise UsageError(f"--photos {' '.join(map(str, photos))}: there are no photographs there")
    return [found[place] for place in spread(len(found), limit or MOST)]


def compare(
    versions: Sequence[Version],
    photos: Sequence[tuple[Path, str]],
    out: Path,
    *,
    side: int = SIDE,
    size: int | None = None,
    saturation: float = 1.0,
    seed: int = 0,
    extras: Mapping[str, Extra] | None = None,
    hints: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Colour photographs by each version, and write sheet-1.png, …, and compare.html: grey first, the original last.

    One model is in memory at a time, and of the photographs one; what was made waits on the disk, small. What fails is
    left out, and listed.

    Args:
        versions: from `find_versions`.
        photos: from `choose`.
        out: a folder, made if it is missing. Files of these names in it are replaced; sheets of an earlier comparison
            that had more of them go.
        side: long side of the pictures, in pixels; narrower where there are many versions.
        size: short side that the models see, in pixels; by default what each learned at.
        saturation: what chroma is multiplied by.
        seed: of the noise of models that draw, and of hints.
        extras: what models take beside photographs, by name.
        hints: colours that are drawn from each original, for models that take hints.
        device: where the models run.
        progress: is told after each photograph of each version.

    Raises:
        UsageError: a file of the comparison would take the place of a photograph, or `out` is a file.
        ZooError: a model cannot be loaded, or no photograph can be read.
        OSError: the files cannot be written.
    """
    check_folder(out)
    _spare_originals(photos, out)
    from zoo.evaluation.comparison_page import PageWriter
    from zoo.evaluation.sheets import draw_sheets, fitting
    from zoo.model import read_about

    for version in versions:
        read_about(version.source.file)  # better said now than after an hour
    side = fitting(side, len(versions) + 2)
    with TemporaryDirectory(prefix="zoo-compare-") as folder:
        columns, rows, left_out = side_by_side(
            versions, photos, Path(folder), side=side, size=size, saturation=saturation, seed=seed, extras=extras,
            hints=hints, device=device, progress=progress,
        )  # fmt: skip
        out.mkdir(parents=True, exist_ok=True)
        sheets = tuple(_write_sheets(draw_sheets(columns, rows, side), out))
        page = PageWriter(columns, [sheet.name for sheet in sheets])
        on_page = page.write(out / PAGE, rows, [f"{item.path}: {item.reason}" for item in left_out])
    _remove_sheets_after(len(sheets), photos, out)
    return Comparison(out / PAGE, sheets, len(rows), on_page, tuple(columns), tuple(left_out))


def side_by_side(
    versions: Sequence[Version],
    photos: Sequence[tuple[Path, str]],
    folder: Path,
    *,
    side: int = SIDE,
    size: int | None = None,
    saturation: float = 1.0,
    seed: int = 0,
    extras: Mapping[str, Extra] | None = None,
    hints: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[list[str], list[Row], list[LeftOut]]:
    """Colour photographs by each version, and keep them small in a folder: what `compare` puts onto sheets and a page.

    Returns:
        The titles of the columns, a row for each photograph, and what was left out.

    Raises:
        ZooError: a model cannot be loaded, or no photograph can be read.
    """
    from zoo.conditioning import HINTS

    walk = _Walk(photos, folder, side, max(LARGEST, side, size or 0), progress, 1 + len(versions))
    walk.read_all()
    for column, version in enumerate(versions, 1):
        walk.colour_all(
            column,
            version,
            device=device,
            size=size,
            saturation=saturation,
            seed=seed,
            extras=extras or {},
            hints=hints,
        )
    for name in sorted((extras or {}).keys() - walk.taken):
        walk.left_out.append(LeftOut(f"--extra {name}", "none of the models takes it"))
    if hints and HINTS not in walk.taken:
        walk.left_out.append(LeftOut(f"--draw-hints {hints}", "none of the models takes hints"))
    rows, columns = walk.table([version.label for version in versions])
    return columns, rows, walk.left_out


class _Walk:
    """The pictures of a comparison on their way to the disk: first what the photographs are, then by each version."""

    def __init__(
        self,
        photos: Sequence[tuple[Path, str]],
        folder: Path,
        side: int,
        read_side: int,
        progress: Progress | None,
        rounds: int,
    ) -> None:
        self._photos, self._folder, self._side, self._read_side = photos, folder, side, read_side
        self._progress, self._done, self._rounds = progress, 0, rounds
        self._cells: dict[int, dict[int, Path | str]] = {}
        """By places of photographs, then by columns; -1 is the original."""
        self.left_out: list[LeftOut] = []
        self.taken: set[str] = set()
        """What the models so far take beside lightness."""

    def read_all(self) -> None:
        """Make the first column and the last one; who cannot be read is in neither."""
        from zoo.evaluation.baselines import grey
        from zoo.evaluation.measure import without_colours
        from zoo.photo.colourless import GREY as WITHOUT_COLOURS
        from zoo.photo.colourless import colourless

        def make(place: int) -> None:
            rgb = self._read(place)
            shade = self._keep(place, 0, grey(without_colours(rgb)))
            if colourless(_image(rgb)) == WITHOUT_COLOURS:
                original: Path | str = WITHOUT_COLOURS
            else:
                original = self._keep(place, -1, rgb)
            self._cells[place] = {0: shade, -1: original}

        for place, (_, name) in enumerate(self._photos):
            if problem := self._attempt(make, place):
                self.left_out.append(LeftOut(name, problem))
        if not self._cells:
            last = self.left_out[-1]
            raise ZooError(f"there is nothing to compare: {last.reason}")

    def colour_all(
        self, column: int, version: Version, *, device: str, extras: Mapping[str, Extra], hints: int, **how: Any
    ) -> None:
        """Make the column of a version. Its model is in memory no longer than that."""
        from zoo.conditioning import HINTS
        from zoo.evaluation.given import draw_hints
        from zoo.evaluation.measure import without_colours
        from zoo.memory import memory_for
        from zoo.model import load_model

        model = load_model(version.source.file, device)
        self.taken |= set(model.takes)
        hints = hints if HINTS in model.takes else 0

        def make(place: int) -> None:
            rgb = self._read(place)
            photo: Photo = without_colours(rgb)
            beside = {name: extra.read(self._photos[place][0]) for name, extra in extras.items() if name in model.takes}
            drawn = draw_hints(rgb, hints, how["seed"])
            with memory_for(f"for its {photo.width}×{photo.height} pixels", "use a smaller --size"):
                coloured = model.colorize(photo, hints=drawn, extras=beside, **how)
            self._cells[place][column] = self._keep(place, column, coloured)

        for place, (_, name) in enumerate(self._photos):
            if place not in self._cells:
                self._tick()
            elif problem := self._attempt(make, place):
                self._cells[place][column] = "failed"
                self.left_out.append(LeftOut(f"{name}, {version.label}", problem))

    def table(self, labels: Sequence[str]) -> tuple[list[Row], list[str]]:
        """Return rows and the titles of their columns; without originals, where no photograph has colours."""
        titles = [GREY, *labels]
        order = list(range(len(titles)))
        if any(isinstance(cells[-1], Path) for cells in self._cells.values()):
            titles.append(ORIGINAL)
            order.append(-1)
        rows = [
            Row(self._photos[place][1], tuple(cells[column] for column in order))
            for place, cells in self._cells.items()
        ]
        return rows, titles

    def _read(self, place: int) -> Tensor:
        from zoo.photo import read_rgb

        return read_rgb(self._photos[place][0], min_side=self._read_side)

    def _keep(self, place: int, column: int, rgb: Tensor) -> Path:
        from zoo.evaluation.pictures import small

        picture = small(rgb, self._side)
        path = self._folder / f"{place}-{column}.png"
        picture.save(path, "PNG", compress_level=1)
        return path

    def _attempt(self, make: Callable[[int], None], place: int) -> str:
        """Make something of a photograph; return what went wrong, if something did."""
        try:
            make(place)
        except BrokenContractError:
            raise
        except ZooError as error:
            return str(error)
        except OSError as error:
            if error.filename is not None and Path(error.filename).parent == self._folder:
                raise  # there is no room for what is made
            return explain_os_error(error)
        finally:
            self._tick()
        return ""

    def _tick(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done // self._rounds, len(self._photos))


def _image(rgb: Tensor) -> Image.Image:
    from PIL import Image

    return Image.fromarray(rgb.permute(1, 2, 0).contiguous().numpy())


def _write_sheets(images: Iterator[Image.Image], out: Path) -> Iterator[Path]:
    for number, image in enumerate(images, 1):
        path = out / SHEET.format(number)
        write_sheet(image, path)
        yield path


def write_sheet(image: Image.Image, path: Path) -> None:
    """Write a sheet whole, or not at all; its suffix says as what."""
    import numpy as np
    import torch

    from zoo.photo import save_photo

    save_photo(path, torch.from_numpy(np.array(image)).permute(2, 0, 1))


def _spare_originals(photos: Sequence[tuple[Path, str]], out: Path) -> None:
    taken = {os.path.realpath(file) for file, _ in photos}
    # There are no more sheets than photographs.
    for name in (PAGE, *(SHEET.format(number) for number in range(1, len(photos) + 1))):
        if os.path.realpath(out / name) in taken:
            raise UsageError(f"{out / name} is one of the photographs; choose another folder with -o")


def _remove_sheets_after(count: int, photos: Sequence[tuple[Path, str]], out: Path) -> None:
    taken = {os.path.realpath(file) for file, _ in photos}
    while (old := out / SHEET.format(count := count + 1)).is_file() and os.path.realpath(old) not in taken:
        with suppress(OSError):
            old.unlink()

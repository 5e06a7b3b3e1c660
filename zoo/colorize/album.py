"""Many photographs, one after the other, and what became of each."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.colorize.ledger import Ledger, Made
from zoo.colorize.planning import PAGED, Job
from zoo.errors import PhotoError, UsageError, ZooError, one_line
from zoo.files import explain_os_error, replacing, sha256_of
from zoo.memory import memory_for, out_of_memory
from zoo.photo import count_pages, read_photo
from zoo.photo.tiff import TiffWriter
from zoo.photo.writing import Coloured, add_page, write_photo

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.beside import Beside
    from zoo.given import Extra, Hints
    from zoo.model import Model
    from zoo.photo import Photo

_HANDFUL = 8
"""Photographs that are taken together, at most."""
_PIXELS = 20_000_000
"""A handful with as many pixels takes in no further photograph. One is read, one coloured and one written at a time:
some 60 megapixels are in memory, or three photographs where they are larger."""
_SEEN_PIXELS = 2**20
"""Pixels that the network sees at once, unless a single photograph has more: further ones would only take memory."""
_TOO_LARGE = "not enough memory for so many pixels: make it smaller, or close other programs"
_WRITERS = 2  # where the network is fast, compressing is what takes longest


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    seconds: float
    width: int = 0
    height: int = 0
    error: str | None = None
    skipped: bool = False
    """It was done before, and is left as it is."""
    pages: int = 1


def colorize_all(
    model: Model,
    jobs: Iterable[Job],
    *,
    overwrite: bool = False,
    size: int | None = None,
    saturation: float = 1.0,
    seed: int = 0,
    hints: Hints | None = None,
    extras: Mapping[str, Extra] | None = None,
    ledger: Ledger | None = None,
) -> Iterator[Outcome]:
    """Colour photographs; yield what became of each, in their order. One that fails does not stop the others.

    They are taken by the handful. While the network works on one handful, the next is read and the one before is
    written. Those of a handful that the network sees at the same size go through it together; where that fails, each
    is tried alone. Of a file with several pages, as many are in memory as of photographs.

    Args:
        model: what gives them their colours.
        jobs: from `plan`.
        overwrite: replace results that are there already; otherwise each of them is a failure. Of a symbolic link, the
            link is replaced, never what it points to.
        size: short side that the model sees, in pixels.
        saturation: see `zoo.model.Model.colorize`.
        seed: likewise. Each photograph's noise is its own, whatever its company.
        hints: colours that somebody gave, by photographs.
        extras: where the pictures are that the generator takes beside photographs, by its names for them.
        ledger: what was done before, and is to be skipped; it learns what is done.

    Raises:
        UsageError: the model takes no hints, or other extras.
    """
    import torch

    from zoo.model import join_chroma

    hints, extras = hints or {}, extras or {}
    model.check_beside(hints=bool(hints), extras=extras)
    settings = {"size": size, "saturation": saturation, "seed": seed}

    def prepare(work: _Work) -> None:
        job = work.job
        there = os.path.lexists(job.target)  # a link that leads nowhere, too
        if ledger is not None and job.source.is_file():
            more = {
                "hints": [asdict(hint) for hint in hints.get(job.source, ())],
                "extras": {name: extra.digest(job.source) for name, extra in extras.items()},
                "page": job.page,
            }
            given = {name: value for name, value in more.items() if value not in (None, [], {})}
            work.made = Made(sha256_of(job.source), model.mark.sha256, {**settings, **given})
            exactly = model.mark.version if overwrite else None
            work.skipped = there and ledger.is_done(job.target, work.made, exactly=exactly)
        if there and not overwrite and not work.skipped:
            raise ZooError(f"{job.target} is there already (--overwrite replaces it)")

    def works() -> Iterator[_Work]:
        for job in jobs:
            work = _attempt(prepare, _Work(job))
            pages = 1
            if work.is_under_way and job.page is None and job.target.suffix.lower() in PAGED:
                with suppress(PhotoError, OSError):  # reading it will say so
                    pages = count_pages(job.source)
            if pages > 1:
                work.document = _Document(job.target, pages)
                documents.append(work.document)
            yield _attempt(read, work)
            for page in range(1, pages):
                yield _attempt(read, _Work(job, page, work.document, work.made))

    def read(work: _Work) -> None:
        source = work.job.source
        work.photo = read_photo(source, work.page if work.job.page is None else work.job.page)
        work.seen = model.network_input(work.photo, size)
        pictures = {name: extra.read(source) for name, extra in extras.items()}
        try:
            work.beside = model.beside(work.photo, work.seen, hints.get(source, ()), pictures)
        except UsageError as error:  # knows no photograph
            raise UsageError(f"{source}: {error}") from error

    def predict(works: list[_Work]) -> Tensor:
        seen, beside = zip(*((work.seen, work.beside) for work in works), strict=True)
        return model.predict(torch.stack(seen), seed=seed, beside=beside)

    def color(work: _Work) -> None:
        assert work.photo is not None
        assert work.seen is not None
        height, width = work.seen.shape[1:]
        try:
            with memory_for(f"for the model to see it at {width}×{height} pixels", "use a smaller --size"):
                chroma = work.chroma if work.chroma is not None else predict([work])[0]
        except ZooError as error:  # knows no photograph
            raise ZooError(f"{work.job.source}: {error}") from error
        work.rgb = join_chroma(work.photo, saturation * chroma, bits=work.photo.bits)

    def color_together(handful: list[_Work]) -> Iterator[_Work]:
        for works in _alike(handful):
            start = time.monotonic()
            with suppress(Exception):  # which of them is to blame shows when each is tried alone
                for work, chroma in zip(works, predict(works), strict=True):
                    work.chroma = chroma
            for work in works:
                work.seconds += (time.monotonic() - start) / len(works)
        return (_attempt(color, work) for work in handful)

    def write(work: _Work) -> None:
        photo, rgb = work.photo, work.rgb
        assert photo is not None
        assert rgb is not None
        target = work.job.target
        coloured = Coloured(rgb, photo.alpha, photo.exif, photo.dpi, photo.notes, photo.stored, model.mark)
        target.parent.mkdir(parents=True, exist_ok=True)

        def note(written: Path) -> None:
            if ledger is not None and work.made is not None:
                ledger.add(target, work.made, sha256_of(written), model.mark.version)

        try:
            if work.document is not None:
                work.document.add(work.page, coloured, note)
                return
            with replacing(target, follow_link=False) as new:
                write_photo(new, target.suffix, coloured)
                note(new)
        except PhotoError as error:  # knows no file
            raise PhotoError(f"cannot write {target}: {error}") from error
        except OSError as error:
            raise PhotoError(f"cannot write {target}: {explain_os_error(error)}") from error

    documents = list[_Document]()
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(_WRITERS, "write") as writers:
        try:
            handfuls = _ahead(reader, _handfuls(works()))
            coloured = (work for handful in handfuls for work in color_together(handful))
            for work in _whole(_behind(writers, write, coloured)):
                height, width = (0, 0) if work.rgb is None else work.rgb.shape[1:]
                pages = 1 if work.document is None else work.document.pages
                yield Outcome(work.job, work.seconds, width, height, work.error, work.skipped, pages)
        finally:
            for document in documents:
                document.fail("it was interrupted")
            if ledger is not None:
                ledger.close()


@dataclass
class _Work:
    """A job on its way from stage to stage; of a file with several pages, one of them."""

    job: Job
    page: int = 0
    document: _Document | None = None
    """Where its page goes, if there are others."""
    made: Made | None = None
    photo: Photo | None = None
    seen: Tensor | None = None
    """What the network sees: lightness (1, h, w)."""
    beside: Beside | None = None
    """What it is given beside that."""
    chroma: Tensor | None = None
    """What it made of that in company: (2, h, w)."""
    rgb: Tensor | None = None
    seconds: float = 0.0
    error: str | None = None
    skipped: bool = False

    @property
    def pixels(self) -> int:
        return 0 if self.photo is None else self.photo.width * self.photo.height

    @property
    def is_under_way(self) -> bool:
        return self.error is None and not self.skipped


class _Document:
    """A file with several pages, which come from several threads, and go into it in order."""

    def __init__(self, target: Path, pages: int) -> None:
        self.pages = pages
        self.error: str | None = None
        self._target = target
        self._next = 0
        self._turn = threading.Condition()
        self._open = ExitStack()
        self._new = Path()
        self._writer: TiffWriter | None = None

    def add(self, page: int, photo: Coloured, before_it_is_there: Callable[[Path], None]) -> None:
        """Write a page when it is its turn; with the last one, the file takes its place."""
        with self._turn:
            self._turn.wait_for(lambda: self._next == page or self.error is not None)
            if self.error is not None:
                raise ZooError(self.error)
            if self._writer is None:
                self._new = self._open.enter_context(replacing(self._target, follow_link=False))
                self._writer = TiffWriter(self._open.enter_context(self._new.open("r+b")))
            add_page(self._writer, photo, several=True)
            self._next += 1
            if self._next == self.pages:
                self._writer.close()
                before_it_is_there(self._new)
                self._open.close()
            self._turn.notify_all()

    def fail(self, error: str) -> None:
        """Give up, unless all is done: nothing of the file is left."""
        with self._turn:
            if self.error is None and self._next < self.pages:
                self.error = error
                self._turn.notify_all()
                with suppress(_GivenUpError):
                    self._open.__exit__(_GivenUpError, _GivenUpError(), None)


class _GivenUpError(Exception):
    pass


def _whole(works: Iterable[_Work]) -> Iterator[_Work]:
    """Of the pages of a file, yield the last one only, with what became of all."""
    seconds = 0.0
    for work in works:
        seconds += work.seconds
        if work.document is None or work.page == work.document.pages - 1:
            work.seconds, seconds = seconds, 0.0
            yield work


def _handfuls(works: Iterable[_Work]) -> Iterator[list[_Work]]:
    handful: list[_Work] = []
    for work in works:
        handful.append(work)
        if len(handful) == _HANDFUL or sum(work.pixels for work in handful) >= _PIXELS:
            yield handful
            handful = []
    if handful:
        yield handful


def _alike(handful: Iterable[_Work]) -> Iterator[list[_Work]]:
    """Find works that the network sees at the same size, two at least."""
    by_size: dict[tuple[int, ...], list[_Work]] = defaultdict(list)
    for work in handful:
        if work.seen is not None:
            by_size[work.seen.shape].append(work)
    for (_, height, width), found in by_size.items():
        most = max(1, _SEEN_PIXELS // (height * width))
        for first in range(0, len(found), most):
            works = found[first : first + most]
            if len(works) > 1:
                yield works


def _ahead(executor: Executor, handfuls: Iterator[list[_Work]]) -> Iterator[list[_Work]]:
    """Make handfuls, the next one beside whatever is done with this one."""
    coming = executor.submit(next, handfuls, None)
    while (handful := coming.result()) is not None:
        coming = executor.submit(next, handfuls, None)
        yield handful


def _behind(executor: Executor, stage: Callable[[_Work], None], works: Iterable[_Work]) -> Iterator[_Work]:
    """Take works through the last stage while the next ones are made; yield them in order."""
    pending: deque[tuple[_Work, Future[_Work]]] = deque()
    for work in works:
        pending.append((work, executor.submit(_attempt, stage, work)))
        while pending and (
            pending[0][1].done()
            or len(pending) > _HANDFUL
            or (len(pending) > 1 and sum(work.pixels for work, _ in pending) > _PIXELS)
        ):
            yield pending.popleft()[1].result()
    for _, future in pending:
        yield future.result()


def _attempt(stage: Callable[[_Work], None], work: _Work) -> _Work:
    if work.document is not None and work.error is None:
        work.error = work.document.error  # another page's
    if not work.is_under_way:
        return work
    start = time.monotonic()
    try:
        stage(work)
    except OSError as error:
        work.error = f"{error.filename or work.job.target}: {explain_os_error(error)}"
    except ZooError as error:
        work.error = str(error)
    except (RuntimeError, MemoryError) as error:
        why = _TOO_LARGE if out_of_memory(error) else one_line(error)
        size = f" ({work.photo.width}×{work.photo.height})" if work.photo is not None and why is _TOO_LARGE else ""
        work.error = f"{work.job.source}{size}: {why}"
    if work.error is not None:
        # What the others could use.
        work.photo = work.seen = work.beside = work.chroma = work.rgb = None
        if work.document is not None:
            work.document.fail(work.error)
    work.seconds += time.monotonic() - start
    return work

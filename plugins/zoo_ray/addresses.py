"""Albums and results at addresses such as s3://bucket/album: fetched a few at a time, coloured here, and sent back."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo.colorize import LEDGERS, Job, Ledger, Outcome, colorize_all, jobs_of, name_results
from zoo.errors import UsageError, ZooError, one_line
from zoo.files import sha256_of
from zoo.photo import PHOTO_SUFFIXES, find_photos

if TYPE_CHECKING:
    from zoo.model import Model

_AT_ONCE = 8  # requests to one store, of one process
_PAGE = re.compile(r"-[0-9]+(?=\.[^./]*$)")


@dataclass(frozen=True)
class Far(Job):
    """A photograph that has to be fetched. Its paths are those below the album and below the folder of results."""

    address: str = ""


def is_address(text: str) -> bool:
    """Tell an address from a path."""
    return "://" in text


def plan_far(photos: Sequence[str], out: str, format: str | None = None) -> list[Far]:
    """Decide where every photograph goes, as `zoo.colorize.plan` does; of pages, whoever has fetched the file.

    Args:
        photos: addresses or paths, of files, and of folders of them.
        out: address or path of a folder.
        format: one of `zoo.colorize.FORMATS`.

    Raises:
        UsageError: as of `zoo.colorize.plan`, or there is no such scheme, or its package is not installed.
        ZooError: they cannot be listed.
    """
    store, folder = _opened(out)
    if Path(out).suffix.lower() in PHOTO_SUFFIXES:
        raise UsageError(f"-o {out}: that is the name of a photograph; give a folder")
    found = dict[str, Path]()
    for photo in photos:
        for address, relative in _listed(photo):
            found.setdefault(address, relative)
    if not found:
        raise UsageError(f"no photographs in {', '.join(photos)}")
    names = name_results(list(found.values()), format)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two photographs would both become {twice[0]}; colour them into folders of their own")
    # Pages of a.tif would become a-1.png and so on: those must not be originals, either.
    originals = {name for address in found for name in (address, _PAGE.sub("", address))}
    for name in names:
        if _identity(store, f"{folder}/{name.as_posix()}") in originals:
            raise UsageError(f"{out}/{name.as_posix()} is one of the originals; choose another folder with -o")
    return [
        Far(relative, name, name=relative.as_posix(), address=address)
        for (address, relative), name in zip(found.items(), names, strict=True)
    ]


def known_lines(out: str) -> dict[str, list[bytes]]:
    """Read the ledgers among results: the lines for each of them, by its name; those of pages by their file's, too.

    Raises:
        ZooError: they cannot be read.
    """
    store, folder = _opened(out)
    lines = defaultdict[str, list[bytes]](list)
    with _naming(f"cannot read the ledgers in {out}"), ThreadPoolExecutor(_AT_ONCE) as several:
        store.invalidate_cache()
        try:
            names = [name.rstrip("/") for name in store.ls(folder, detail=False)]
        except FileNotFoundError:
            return {}
        ledgers = sorted(name for name in names if fnmatchcase(name.rsplit("/", 1)[-1], LEDGERS))
        for content in several.map(store.cat_file, ledgers):
            for line in content.splitlines():
                with suppress(ValueError, TypeError, KeyError, RecursionError):  # cut short, or somebody else's
                    target = str(json.loads(line)["target"])
                    for name in {target, _PAGE.sub("", target)}:
                        lines[name].append(line)
    return dict(lines)


def colorize_far(
    model: Model, jobs: Sequence[Far], out: str, settings: Mapping[str, Any], lines: Sequence[bytes], part: str,
    attempt: int = 0,
) -> list[Outcome]:  # fmt: skip
    """Colour some photographs that are elsewhere; return what became of each, its pages taken together.

    They are fetched into a temporary folder, coloured there by `zoo.colorize.colorize_all`, and sent one by one: first
    the ledger, then the result.

    Args:
        model: what gives them their colours.
        jobs: from `plan_far`.
        out: address of the folder of results.
        settings: arguments of `colorize_all`.
        lines: of the ledgers that were there before, those for these photographs.
        part: the name of their own ledgers, one for each attempt.
        attempt: how often these photographs were begun before, by a process that was lost.
    """
    store, folder = _opened(out)
    store.invalidate_cache()
    lines = list(lines)
    for number in range(attempt):
        with _naming(f"cannot read the ledgers in {out}"), suppress(FileNotFoundError):
            lines += store.cat_file(f"{folder}/{LEDGERS.replace('*', f'-{part}-{number}')}").splitlines()
    pieces: list[list[Outcome]] = [[] for _ in jobs]
    with TemporaryDirectory(prefix=f"zoo-{part}-", ignore_cleanup_errors=True) as temporary:
        here = Path(temporary)
        results = here / "results"
        results.mkdir()
        (results / LEDGERS.replace("*", "")).write_bytes(b"".join(line + b"\n" for line in lines))

        def there(target: Path) -> str:
            return f"{folder}/{target.relative_to(results).as_posix()}"

        def shown(target: Path) -> str:
            return f"{out.rstrip('/')}/{target.relative_to(results).as_posix()}"

        def digest(target: Path) -> str:
            with _naming(f"cannot read {shown(target)}"):
                store.get_file(there(target), str(target))
            return sha256_of(target)

        def fetch(number: int, job: Far) -> list[Job]:
            # A folder of its own: its path there may be nothing that could be one here.
            source = here / str(number) / job.source.name
            source.parent.mkdir()
            theirs, path = _opened(job.address)
            theirs.get_file(path, str(source))
            planned = jobs_of(source, results / job.target, job.name)
            for one in planned:
                # Not `exists`, which takes a store that does not answer for a no.
                with _naming(f"cannot see whether {shown(one.target)} is there"), suppress(FileNotFoundError):
                    store.info(there(one.target))
                    one.target.parent.mkdir(parents=True, exist_ok=True)
                    one.target.touch()  # that it is there; what is in it, `digest` fetches where it matters
            return planned

        def send(outcome: Outcome) -> str | None:
            target = outcome.job.target
            if outcome.error is None and not outcome.skipped:
                try:
                    _put(store, ledger.file, there(ledger.file))
                    _put(store, target, there(target))
                except Exception as error:  # whatever a file system raises
                    return f"cannot write {shown(target)}: {one_line(error)}"
                target.unlink()
            return outcome.error and outcome.error.replace(str(target), shown(target))

        ledger = Ledger(results, f"{part}-{attempt}", digest)
        places = dict[Job, int]()
        # Of one thread, so that no ledger takes the place of a longer one.
        with ThreadPoolExecutor(_AT_ONCE) as several, ThreadPoolExecutor(1) as sender:
            fetches = [several.submit(fetch, number, job) for number, job in enumerate(jobs)]

            def fetched() -> Iterator[Job]:
                for number, future in enumerate(fetches):
                    try:
                        planned = future.result()
                    except Exception as error:  # likewise
                        why = f"cannot read {jobs[number].address}: {one_line(error)}"
                        why = str(error) if isinstance(error, ZooError) else why
                        pieces[number].append(Outcome(jobs[number], 0.0, error=why))
                        continue
                    places.update(dict.fromkeys(planned, number))
                    yield from planned

            sent = list[tuple[Outcome, Future[str | None]]]()
            for outcome in colorize_all(model, fetched(), ledger=ledger, **settings):
                sent.append((outcome, sender.submit(send, outcome)))
            for outcome, future in sent:
                number = places[outcome.job]
                problem = future.result()
                problem = problem and problem.replace(str(outcome.job.source), jobs[number].address)
                pieces[number].append(replace(outcome, job=jobs[number], error=problem))
    return [_together(some) for some in pieces]


def _together(pages: Sequence[Outcome]) -> Outcome:
    return replace(
        pages[-1],
        seconds=sum(page.seconds for page in pages),
        error=next((page.error for page in pages if page.error), None),
        skipped=all(page.skipped for page in pages),
        pages=sum(page.pages for page in pages),
    )


def _listed(photo: str) -> Iterator[tuple[str, Path]]:
    """Yield the photographs of an address: theirs, and their paths below it."""
    store, root = _opened(photo)
    if _is_local(store):  # links and all, as everywhere
        yield from ((_identity(store, str(file)), relative) for file, relative in find_photos([root]))
        return
    with _naming(f"cannot read {photo}"):
        keys = store.find(root)
    for key in keys:
        # Two strokes in a row are allowed there, and must not make it an absolute path.
        relative = Path(key[len(root) :].lstrip("/") or Path(root).name)
        hidden = any(part.startswith(".") for part in relative.parts)  # `..`, too
        if key == root or (not hidden and relative.suffix.lower() in PHOTO_SUFFIXES):
            yield _identity(store, key), relative


def _opened(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path there."""
    try:
        store, path = import_module("fsspec.core").url_to_fs(address)
    except (ImportError, ValueError) as error:  # fsspec says what to install
        raise UsageError(f"{address}: {error}") from error
    return store, path.rstrip("/")


def _is_local(store: Any) -> bool:
    return "file" in ((store.protocol,) if isinstance(store.protocol, str) else store.protocol)


def _identity(store: Any, path: str) -> str:
    """Name a file by an address, always the same."""
    return os.path.realpath(path) if _is_local(store) else str(store.unstrip_protocol(path))


def _put(store: Any, file: Path, path: str) -> None:
    """Send a file, whole or not at all."""
    if type(store).mv is import_module("fsspec").AbstractFileSystem.mv:
        store.put_file(str(file), path)  # it cannot rename, as object stores cannot: there, uploads appear whole
        return
    folder = path.rsplit("/", 1)[0]
    beside = f"{folder}/.zoo-{secrets.token_hex(8)}.tmp"
    store.makedirs(folder, exist_ok=True)
    try:
        store.put_file(str(file), beside)
        store.mv(beside, path)
    except BaseException:
        with suppress(Exception):
            store.rm_file(beside)
        raise


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a file system raises
        raise ZooError(f"{what}: {one_line(error)}") from error

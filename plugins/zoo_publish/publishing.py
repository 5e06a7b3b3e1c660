"""From a model to its card, and to a folder or a repository with both."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.errors import UsageError, ZooError
from zoo.files import CRITIC, LAST_MODEL, MODEL, explain_os_error, write_text
from zoo.registry import ModelSource, find_model
from zoo.registry.models import HUB
from zoo.run import RECIPE
from zoo_publish.card import SHEET, Subject, Words, check_license, is_ours, read_words, render
from zoo_publish.places import CARD, FILES, Folder, Target, There, as_path, look
from zoo_publish.reducing import reduce_paths

_NO_LICENSE = "the card names no licence: add --license ID, such as mit or cc-by-4.0"
_NO_SHEET = "no contact sheet: --photos FOLDER makes one, of photographs that may be shown"


@dataclass(frozen=True)
class Published:
    """What was published."""

    place: str
    files: list[str]
    notes: list[str] = field(default_factory=list)
    """What is missing, was left out or was changed."""


def print_card(model: str, *, license: str | None = None, photos: Path | None = None) -> tuple[str, list[str]]:
    """Write a model's card for the screen: its text, and what to know of it.

    Raises:
        UsageError: there is no such model, or a contact sheet is asked for, which needs a file beside it.
    """
    if photos is not None:
        raise UsageError("--photos needs -o README.md: the contact sheet is a file beside the card")
    subject, notes = _describe(model, license)
    return render(subject), [note for note in notes if note != _NO_SHEET]


def write_card(
    model: str,
    out: Path,
    *,
    license: str | None = None,
    photos: Path | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write a model's card, and its contact sheet beside it; return what to know of them.

    Args:
        model: whatever `zoo.registry.find_model` finds.
        out: the file. Of a card of zoo's that is there, what people said in it is kept.
        license: the hub's name of it.
        photos: a folder of photographs for the sheet.
        overwrite: replace a file that zoo did not write.

    Raises:
        UsageError: there is no such model, no such folder, or a file that zoo did not write.
        ZooError: the model or all photographs are damaged, or the files cannot be written.
    """
    if out.is_dir():
        raise UsageError(f"{out} is a folder: give the name of a file in it, such as {out / CARD}")
    names = [out.name, *([SHEET] if photos else [])]
    there = look(out.parent, names, out.name)
    _check_ours(there, str(out.parent), names, overwrite)
    subject, notes = _describe(model, license, there=there, sheet=photos is not None)
    try:
        if photos is not None:
            notes += _draw(find_model(model), photos, out.with_name(SHEET))
        write_text(out, render(subject))
    except OSError as error:
        raise ZooError(f"cannot write {out}: {explain_os_error(error)}") from error
    return notes


def publish(
    model: str,
    target: str,
    *,
    license: str | None = None,
    photos: Path | None = None,
    private: bool = False,
    overwrite: bool = False,
) -> Published:
    """Put a model with its critic, its recipe and its card into a folder, or into a repository on the hub.

    All of it is made before anything there is touched. No file has the path of a folder in it.

    Args:
        model: whatever `zoo.registry.find_model` finds.
        target: the folder, or hf://owner/name.
        license: the hub's name of it.
        photos: a folder of photographs for a contact sheet.
        private: make the repository one that only its owner sees.
        overwrite: replace files that zoo did not publish.

    Raises:
        UsageError: there is no such model, or what stands at the target is not zoo's.
        ZooError: the model is damaged, or the target cannot be written.
    """
    if license is not None:
        check_license(license)
    source = find_model(model)
    place = _target(target, source, private)
    there = place.look()
    _check_ours(there, target, FILES, overwrite)
    subject, notes = _describe(model, license, there=there, sheet=photos is not None, target=place)
    with TemporaryDirectory(prefix="zoo-publish-") as made:
        folder = Path(made)
        notes += _prepare(source, subject, photos, folder)
        names = [name for name in FILES if (folder / name).exists()]
        stale = [name for name in FILES if name in there.files and name not in names]
        return Published(place.write(folder, names, stale), names, notes)


def _target(target: str, source: ModelSource, private: bool) -> Target:
    if target.startswith(HUB):
        from zoo_publish.hub import Repository

        return Repository(target, private=private)
    if private:
        raise UsageError(f"--private is of a repository on the hub, and {target} is a folder")
    return Folder(Path(target), source)


# ------------------------------------------------------------------------------------------------- what is made


def _describe(
    model: str,
    license: str | None,
    *,
    there: There | None = None,
    sheet: bool = False,
    target: Target | None = None,
) -> tuple[Subject, list[str]]:
    """Find out what a card is to say, and what to tell whoever has it written."""
    if license is not None:
        check_license(license)
    source = find_model(model)
    from zoo.model import read_about

    reduced = reduce_paths(read_about(source.file))
    words = Words(license=license).over(_own_words(source)).over(_words_of(there.card if there else ""))
    notes = [f"{path!r} is called {shown!r} there" for path, shown in reduced.paths.items()]
    notes += [] if sheet else [_NO_SHEET]
    notes += [] if words.license else [_NO_LICENSE]
    if not words.text:
        where = CARD if source.component or source.text.startswith(HUB) else source.file.with_suffix(".md")
        notes.append(f"the card says nothing of what the model is good and bad at: write that into {where}")
    summary = source.component.summary if source.component else reduced.recipe.summary
    name = (target and target.name) or _name(source)
    reference = target.reference if target else _reference(source)
    return Subject(name, reference, reduced.about, reduced.recipe, words, summary, sheet), notes


def _prepare(source: ModelSource, subject: Subject, photos: Path | None, folder: Path) -> list[str]:
    """Make all files to be published; return what is to be said of them."""
    from zoo.model import copy_model, load_critic, load_model, read_about

    notes: list[str] = []
    load_model(source.file, "cpu")  # what cannot be loaded here cannot be loaded elsewhere
    copy_model(source.file, folder / MODEL, subject.about)
    if critic := source.critic():
        load_critic(critic)
        copy_model(critic, folder / CRITIC, reduce_paths(read_about(critic, "critic")).about)
    write_text(folder / RECIPE, subject.recipe.to_toml())
    if photos is not None:
        notes += _draw(source, photos, folder / SHEET)
    write_text(folder / CARD, render(subject))
    return notes


def _draw(source: ModelSource, photos: Path, target: Path) -> list[str]:
    from zoo_publish.sheet import choose, draw

    return draw(source, choose(photos), target)


# ------------------------------------------------------------------------------------------------- what is said


def _own_words(source: ModelSource) -> Words:
    """Read what a model's author says: NAME.md beside it, as in packages, or zoo's README.md with it."""
    if source.text.startswith(HUB):
        repository = "/".join(source.text.split("/")[:4])
        with suppress(ZooError):
            return _words_of(_read(find_model(f"{repository}/{CARD}").file))
        return Words()
    words = read_words(_read(source.file.with_suffix(".md")))
    return words.over(_words_of(_read(source.folder / CARD))) if source.folder else words


def _words_of(card: str) -> Words:
    """Read what people said in a README.md. One that is not zoo's may be of anything: only its licence counts."""
    words = read_words(card)
    return words if is_ours(card) else Words(license=words.license)


def _read(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""


def _name(source: ModelSource) -> str:
    if source.component:
        return source.component.name
    if source.text.startswith(HUB):
        return source.text.split("/")[3].partition("@")[0]
    generic = source.folder is not None or source.file.name in (MODEL, LAST_MODEL)
    name = source.file.resolve().parent.name if generic else source.file.stem
    return name if name and name != Path.home().name else "model"


def _reference(source: ModelSource) -> str:
    if source.component or source.text.startswith(HUB):
        return source.text
    return as_path(source.folder or source.file)


def _check_ours(there: There, where: str, names: Sequence[str], overwrite: bool) -> None:
    found = [name for name in names if name in there.files]
    if found and not is_ours(there.card) and not overwrite:
        raise UsageError(
            f"{where} has {' and '.join(found)} that zoo did not publish: choose another place, or --overwrite"
        )

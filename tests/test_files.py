"""zoo.files: written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zoo import files


def test_replaces_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with files.replacing(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, kind: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with files.replacing(path) as new:
            new.write_text("half")
            raise kind

    with pytest.raises(kind):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        files.write_text(tmp_path / "a.txt", "x")
    assert not list(tmp_path.iterdir())


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write_text(tmp_path / "missing" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_text(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_stay_links(tmp_path: Path) -> None:
    real = tmp_path / "real.txt"
    real.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(real)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("kind", ["file", "folder", "nothing", "circle"])
def test_a_link_that_is_not_followed_is_replaced(tmp_path: Path, kind: str) -> None:
    pointed, link = tmp_path / "pointed", tmp_path / "link"
    link.symlink_to(link if kind == "circle" else pointed)
    if kind == "file":
        pointed.write_text("old")
    elif kind == "folder":
        pointed.mkdir()
    files.write_bytes(link, b"new", follow_link=False)
    assert not link.is_symlink()
    assert link.read_text() == "new"
    assert pointed.exists() == (kind in ("file", "folder"))
    assert kind != "file" or pointed.read_text() == "old"


def test_writers_of_the_same_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    texts = [letter * 100_000 for letter in "abcd"]
    threads = [threading.Thread(target=files.write_text, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="its names are measured differently")
def test_the_longest_names_that_a_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")
    files.write_text(path, "x")
    assert path.read_text() == "x"


def test_text_and_json(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "grün\n")
    assert (tmp_path / "a.txt").read_bytes() == "grün\n".encode()
    files.write_json(tmp_path / "a.json", {"é": [1, 2.5, None]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "that disk is read-only")],
)
def test_os_errors_in_words(number: int, said: str) -> None:
    assert files.explain_os_error(OSError(number, os.strerror(number))) == said


def test_other_os_errors() -> None:
    assert files.explain_os_error(OSError(errno.EPIPE, "Broken pipe")) == "Broken pipe"
    assert files.explain_os_error(OSError("something else")) == "something else"
    assert files.explain_os_error(OSError()) == "OSError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("grün · 写真\tline\n", "grün · 写真\tline\n"),
        ("\x1b[31mred\r\x9b2J\x7f", r"\x1b[31mred\r\x9b2J\x7f"),
        ("gpj.\u202etxt\u2028next", r"gpj.\u202etxt\u2028next"),
    ],
)
def test_nothing_acts_on_a_terminal(text: str, shown: str) -> None:
    assert files.printable(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unet-deep:base=32,norm=instance", "unet-deep:base=32,norm=instance"),
        ("", "''"),
        ("x; curl\n\x1b", r"'x; curl\n\x1b'"),
        ("a" * 500, f"'{'a' * 400}'…"),
    ],
)
def test_text_of_others_is_told_from_ours(text: str, shown: str) -> None:
    assert files.quoted(text) == shown


@pytest.mark.parametrize("links", [True, False])
def test_a_duplicate_outlives_its_original(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    first, second = tmp_path / "first", tmp_path / "second"
    files.write_text(first, "old")
    second.write_text("in the way")
    for _ in range(2):
        files.duplicate(first, second)
        assert second.read_text() == "old"
    files.write_text(first, "new")
    assert second.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"first", "second"}


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    kept = [tmp_path / name for name in (".lock", ".tmp", ".tmp-notes", "a.tmp", ".zoo-mine.tmp", "samples/a.png")]
    left = [
        tmp_path / name for name in (".zoo-0123456789abcdef.tmp", "samples/.zoo-fedcba9876543210.tmp", ".tmpJqfmU1")
    ]
    for path in (*kept, *left):
        path.write_text("x")
    files.remove_leftovers(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_what_a_kill_leaves_is_known(tmp_path: Path) -> None:
    """Killed in the middle of writing tensors, of 100 MB, for which the library has a file of its own."""
    script = (
        "import torch\nfrom pathlib import Path\nfrom zoo.files import replacing\nfrom zoo.tensors import save_tensors"
        "\ntensors = {'a': torch.zeros(25_000_000)}\nprint(flush=True)"
        "\nwhile True:\n with replacing(Path('a.safetensors')) as new: save_tensors(new, tensors)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    deadline = time.monotonic() + 300
    while not any(path.name.startswith(".") for path in tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.001)
    child.kill()
    child.communicate()
    assert any(path.name.startswith(".") for path in tmp_path.iterdir())
    files.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.safetensors"}

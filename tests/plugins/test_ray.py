"""Albums by Ray: with two workers, of which one is killed, nothing is lost and nothing done twice; and at addresses."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from fsspec.implementations.memory import MemoryFile
from fsspec.registry import known_implementations
from PIL import Image
from zoo_ray import addresses, spreading
from zoo_ray.addresses import Far, colorize_far, known_lines, plan_far

from zoo import Recipe, UsageError, ZooError, registry
from zoo.colorize import Ledger, Outcome, colorize_all, plan
from zoo.model import Model, load_model, save_model
from zoo.registry import find_model, resolve

with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
RECIPE = Recipe(
    generator="unet-shallow:base=4", critic="none", loss="l1", data="scenes", size=32, steps=1, precision="float32"
)
# In a process of its own: what Ray warns of is its own business.
SCRIPT = """
import sys
from pathlib import Path
from zoo.colorize import plan
from zoo.registry import find_model
from zoo_ray.spreading import spread

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
for outcome in spread(find_model(Path(sys.argv[3])), plan([folder], out), out, workers=2, together=5):
    print("failed" if outcome.error else "skipped" if outcome.skipped else "coloured", outcome.error or "", flush=True)
"""


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install ray"):
        spreading.check_installed()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "m.safetensors"
    torch.manual_seed(0)
    weights = registry.get().build("generator", RECIPE.generator, size=RECIPE.size).state_dict()
    save_model(file, weights, resolve(RECIPE), {})
    return file


@pytest.fixture(scope="module")
def model(file: Path) -> Model:
    return load_model(file, "cpu")


@pytest.fixture(params=["memory", "file"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty folder in a store of objects, and in one that can rename."""
    yield "memory://there" if request.param == "memory" else (tmp_path / "there").as_uri()
    fsspec.filesystem("memory").store.clear()


def jpeg(turned: int = 0) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").rotate(turned).resize((60, 40)).save(file, "jpeg")
    return file.getvalue()


def put(address: str, content: bytes) -> None:
    with fsspec.open(address, "wb", auto_mkdir=True) as file:
        file.write(content)


def inside(folder: str) -> dict[str, bytes]:
    store, path = fsspec.url_to_fs(folder)
    return {key[len(path) :].lstrip("/"): store.cat_file(key) for key in store.find(path)}


def results(folder: str) -> dict[str, bytes]:
    return {name: content for name, content in inside(folder).items() if ".zoo-album" not in name}


def colour(model: Model, root: str, part: str, attempt: int = 0, **settings: Any) -> list[Outcome]:
    """Colour all of an album as one task, in this process."""
    out, jobs = f"{root}/out", plan_far([f"{root}/album"], f"{root}/out", settings.pop("format", None))
    lines = [line for job in jobs for line in known_lines(out).get(job.target.as_posix(), ())]
    return colorize_far(model, jobs, out, settings, lines, part, attempt)


def words(outcomes: list[Outcome]) -> list[str]:
    return ["failed" if one.error else "skipped" if one.skipped else "coloured" for one in outcomes]


def test_an_album_that_is_elsewhere_is_coloured_as_one_that_is_here(model: Model, root: str, tmp_path: Path) -> None:
    album = tmp_path / "album"
    (album / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "sub/a.jpg", "sub/a.jpeg", ".hidden.jpg", "notes.txt")):
        (album / name).write_bytes(jpeg(number))
        put(f"{root}/album/{name}", jpeg(number))
    pages = [Image.new("L", (40, 40), 60 * page) for page in range(3)]
    pages[0].save(album / "scan.tif", save_all=True, append_images=pages[1:])
    put(f"{root}/album/scan.tif", (album / "scan.tif").read_bytes())
    originals = inside(f"{root}/album")
    assert words(list(colorize_all(model, plan([album], tmp_path / "out")))) == ["coloured"] * 6
    outcomes = colour(model, root, "1")
    assert words(outcomes) == ["coloured"] * 4
    assert [one.pages for one in outcomes] == [1, 3, 1, 1]
    here = {str(file.relative_to(tmp_path / "out")): file.read_bytes() for file in (tmp_path / "out").rglob("*.png")}
    assert results(f"{root}/out") == here
    assert inside(f"{root}/album") == originals
    assert words(colour(model, root, "2")) == ["skipped"] * 4
    assert ".zoo-album-2-0.jsonl" not in inside(f"{root}/out")


def test_what_is_there_is_skipped_or_fails_as_in_a_folder(model: Model, root: str) -> None:
    for number in range(3):
        put(f"{root}/album/{number}.jpg", jpeg(number))
    put(f"{root}/album/broken.jpg", b"no photograph")
    put(f"{root}/out/2.png", b"somebody's")
    outcomes = colour(model, root, "1")
    assert words(outcomes) == ["coloured", "coloured", "failed", "failed"]
    assert f"{root}/out/2.png is there already (--overwrite" in str(outcomes[2].error)
    assert "broken.jpg" in str(outcomes[3].error)
    assert "/zoo-" not in str(outcomes[3].error)  # the temporary folder is nobody's business
    first = results(f"{root}/out")
    put(f"{root}/album/1.jpg", jpeg(99))
    assert words(colour(model, root, "2")) == ["skipped", "failed", "failed", "failed"]
    assert results(f"{root}/out") == first
    assert words(colour(model, root, "3", overwrite=True)) == ["skipped", "coloured", "coloured", "failed"]
    # Now there are two lines for 1.png, and what is there has to be fetched to tell.
    assert words(colour(model, root, "4")) == ["skipped", "skipped", "skipped", "failed"]
    put(f"{root}/out/1.png", first["1.png"])  # as if the process had been killed before it was replaced
    assert words(colour(model, root, "5")) == ["skipped", "failed", "skipped", "failed"]


def test_a_second_attempt_goes_on_from_what_the_first_one_sent(
    model: Model, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        put(f"{root}/album/{number}.jpg", jpeg(number))
    whole, sent = addresses._put, list[str]()

    class KilledError(BaseException):
        pass

    def until(store: Any, file: Path, path: str) -> None:
        if len(sent) == 3:  # a ledger, a result, a ledger: of the second, the line is there and the result is not
            raise KilledError
        sent.append(path)
        whole(store, file, path)

    monkeypatch.setattr(addresses, "_put", until)
    jobs = plan_far([f"{root}/album"], f"{root}/out")
    with pytest.raises(KilledError):
        colorize_far(model, jobs, f"{root}/out", {}, [], "x", 0)
    monkeypatch.undo()
    assert list(results(f"{root}/out")) == ["0.png"]
    # Its lines were not handed to it: it has to look for those of the attempt before.
    assert words(colorize_far(model, jobs, f"{root}/out", {}, [], "x", 1)) == ["skipped"] + ["coloured"] * 3
    assert sorted(results(f"{root}/out")) == [f"{number}.png" for number in range(4)]
    assert words(colour(model, root, "y")) == ["skipped"] * 4


def test_results_that_were_fetched_are_known_to_zoo_colorize(model: Model, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album/a.jpg").write_bytes(jpeg())
    colour(model, tmp_path.as_uri(), "ray-1", size=None, saturation=1.0, seed=0)
    jobs = plan([tmp_path / "album"], tmp_path / "out")
    assert words(list(colorize_all(model, jobs, ledger=Ledger(tmp_path / "out")))) == ["skipped"]


def test_a_result_that_cannot_be_sent_or_fetched_is_that_photographs_failure(
    model: Model, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        put(f"{root}/album/{number}.jpg", jpeg(number))
    jobs = [*plan_far([f"{root}/album"], f"{root}/out"), Far(Path("x.jpg"), Path("x.png"), address=f"{root}/x.jpg")]
    store = type(fsspec.url_to_fs(root)[0])
    whole = store.put_file

    def put_file(self: Any, file: str, path: str, **more: Any) -> None:
        if file.endswith("1.png"):
            whole(self, file, path, **more)
            raise PermissionError("not you")
        whole(self, file, path, **more)

    monkeypatch.setattr(store, "put_file", put_file)
    outcomes = colorize_far(model, jobs, f"{root}/out", {}, [], "1")
    assert words(outcomes) == ["coloured", "failed", "failed"]
    assert f"cannot write {root}/out/1.png: PermissionError: not you" in str(outcomes[1].error)
    assert f"cannot read {root}/x.jpg" in str(outcomes[2].error)
    if root.startswith("file"):
        assert sorted(results(f"{root}/out")) == ["0.png"]


def test_where_it_cannot_be_seen_whether_a_result_is_there_nothing_is_written(
    model: Model, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(f"{root}/album/0.jpg", jpeg())
    put(f"{root}/out/0.png", b"somebody's")
    jobs = plan_far([f"{root}/album"], f"{root}/out")
    store = type(fsspec.url_to_fs(root)[0])
    whole = store.info

    def info(self: Any, path: str, **more: Any) -> Any:
        if path.endswith("0.png"):
            raise PermissionError("not you")
        return whole(self, path, **more)

    monkeypatch.setattr(store, "info", info)
    outcomes = colorize_far(model, jobs, f"{root}/out", {}, [], "1")
    monkeypatch.undo()
    assert outcomes[0].error == f"cannot see whether {root}/out/0.png is there: PermissionError: not you"
    assert results(f"{root}/out") == {"0.png": b"somebody's"}


def test_originals_and_unreachable_places_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.tif", "b-1.png", "b-1.jpg"):  # b.png is none of them, but its pages would be
        put(f"memory://there/{name}", jpeg())
        put((tmp_path / name).as_uri(), jpeg())
    (tmp_path / "link").symlink_to(tmp_path)
    for album, out in (
        ("memory://there", "memory://there/"),
        (str(tmp_path), tmp_path.as_uri()),
        (str(tmp_path), str(tmp_path / "link")),
    ):
        with pytest.raises(UsageError, match="is one of the originals"):
            plan_far([album], out)
    with pytest.raises(UsageError, match="give a folder"):
        plan_far(["memory://there"], "memory://out.png")
    with pytest.raises(UsageError, match="no photographs in memory://empty"):
        plan_far(["memory://empty"], "memory://out")
    with pytest.raises(UsageError, match=r"^nobody://album: .*nobody"):
        plan_far(["nobody://album"], "memory://out")
    monkeypatch.setitem(known_implementations, "some", {"class": "no_such.Store", "err": "Install some"})
    with pytest.raises(UsageError, match=r"^some://album: Install some"):
        plan_far(["some://album"], "memory://out")
    with pytest.raises(ZooError, match="there is no file or folder"):
        plan_far([str(tmp_path / "missing")], "memory://out")
    fsspec.filesystem("memory").store.clear()


def test_names_that_lead_elsewhere_are_passed_over_or_kept_below() -> None:
    store = fsspec.filesystem("memory")
    for key in ("/album/../../up.jpg", "/album/.x/a.jpg", "/album//etc/b.jpg", "/album/c.jpg"):
        store.store[key] = MemoryFile(store, key, jpeg())
    assert sorted(str(job.target) for job in plan_far(["memory://album"], "memory://out")) == ["c.png", "etc/b.png"]
    store.store.clear()


def test_the_memory_of_one_process_is_refused(tmp_path: Path, file: Path) -> None:
    put("memory://there/a.jpg", jpeg())
    jobs = plan_far(["memory://there"], str(tmp_path))
    with pytest.raises(UsageError, match=r"memory://.* is in the memory of one process"):
        next(spreading.spread(find_model(file), jobs, str(tmp_path)))
    fsspec.filesystem("memory").store.clear()


@with_ray
@pytest.mark.slow
def test_two_workers_colour_an_album_at_an_address(tmp_path: Path, file: Path) -> None:
    for number in range(8):
        put((tmp_path / f"album/{number}.jpg").as_uri(), jpeg(number))
    script = SCRIPT.replace("plan([folder], out), out,", "plan_far([folder.as_uri()], out.as_uri()), out.as_uri(),")
    script = script.replace("from zoo.colorize import plan", "from zoo_ray.addresses import plan_far")
    command = [sys.executable, "-c", script, str(tmp_path / "album"), str(tmp_path / "out"), str(file)]
    for word in ("coloured", "skipped"):
        run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
        assert run.stdout.split() == [word] * 8, run.stdout + run.stderr


@with_ray
@pytest.mark.slow
def test_a_worker_is_killed_and_nothing_is_lost_and_nothing_done_twice(tmp_path: Path, file: Path) -> None:
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for number in range(60):
        Image.radial_gradient("L").rotate(number).resize((600, 400)).save(album / f"{number:02}.jpg")
    command = [sys.executable, "-c", SCRIPT, str(album), str(out), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        end = time.monotonic() + 240
        killed = 0
        while not killed and run.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
            for ledger in out.glob(".zoo-album-ray-*.jsonl"):
                if len(ledger.read_bytes().splitlines()) >= 3:
                    killed = int(ledger.stem.rsplit("-", 1)[1])
                    os.kill(killed, signal.SIGKILL)
                    break
        said = run.communicate(timeout=240)[0]
    assert run.returncode == 0, said
    assert killed
    ledgers = out.glob(".zoo-album-ray-*.jsonl")
    lines = [json.loads(line) for ledger in ledgers for line in ledger.read_text().splitlines()]
    assert sorted(path.name for path in out.glob("*.png")) == [f"{number:02}.png" for number in range(60)]
    again = [target for target, times in Counter(line["target"] for line in lines).items() if times > 1]
    # A line is written before its result: one photograph may have been between the two.
    assert len(again) <= 2
    words = Counter(line.split()[0] for line in said.splitlines() if line.startswith(("skipped", "coloured", "failed")))
    assert words["skipped"] + words["coloured"] == 60, said
    assert words["skipped"] >= 2

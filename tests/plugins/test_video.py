"""zoo video: films with colours."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import colourful
from films import HEIGHT, TICKS, WIDTH, av, frames_of, grey_frame, lumas, make_film, packets_of, picture, plane_of
from torch import Tensor, nn
from typer.testing import CliRunner, Result
from zoo_video import colouring
from zoo_video.colouring import Outcome, colour_film
from zoo_video.film import Frames, examine
from zoo_video.flow import find_flow, warp
from zoo_video.planes import Planes
from zoo_video.steady import Steady

from zoo import find_recipe, load_model, registry
from zoo.cli.main import app
from zoo.model import save_model
from zoo.photo import Photo
from zoo.photo.color import rgb_to_lab
from zoo.registry import resolve
from zoo.versions import zoo_version


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose colours are arbitrary, and strong."""
    torch.manual_seed(1)
    plan = resolve(find_recipe("demo", generator="unet-shallow:base=4", size=32, device="cpu"))
    network = plan.generator.make(size=32)
    *_, last = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d))
    with torch.no_grad():
        chroma = network.eval()(torch.linspace(-1, 1, 64**2).view(1, 1, 64, 64))
        last.weight.mul_(0.3 / chroma.std())
        if last.bias is not None:
            last.bias.zero_()
    path = tmp_path_factory.mktemp("video") / "model.safetensors"
    save_model(path, network.state_dict(), plan, {})
    return path


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colouring, "SEGMENT", 8)
    monkeypatch.setattr(colouring, "BATCH", 3)


def colour(model: Path, film: Path, out: str, **settings: Any) -> Outcome:
    return colour_film(load_model(model, "cpu"), model, film, Path(out), **{"steady": 0.5, **settings})


def video(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["video", *map(str, words)])


def colours(path: Path) -> np.ndarray:
    return np.stack(
        [plane_of(frame, 1) for frame in frames_of(path)] + [plane_of(frame, 2) for frame in frames_of(path)]
    )


# ------------------------------------------------------------------------------------------------- what comes out


def test_a_film_gets_colours(model: Path) -> None:
    film = make_film(Path("film.mp4"), 20, tone="aac")
    result = video(film, "-o", "out.mp4", "-m", model)
    assert result.exit_code == 0, result.output
    assert result.stdout == "out.mp4 is written: 20 frames\n"
    assert np.abs(lumas(Path("out.mp4")).astype(int) - lumas(film)).mean() < 1.5
    assert colours(Path("out.mp4")).std() > 3
    assert not list(Path().glob("*.parts"))


def test_without_loss_luma_is_the_films_and_colours_are_those_of_the_photograph(model: Path) -> None:
    film = make_film(Path("film.mkv"), 4, pixels="yuv444p")
    assert video(film, "-o", "out.mkv", "-m", model, "--lossless", "--steady", 0).exit_code == 0
    assert (lumas(Path("out.mkv")) == lumas(film)).all()
    loaded, planes = load_model(model, "cpu"), Planes(examine(film, lossless=True))
    for frame, original in zip(frames_of(Path("out.mkv")), frames_of(film), strict=True):
        ours = torch.from_numpy(frame.to_ndarray(format="rgb24")).movedim(2, 0)
        theirs = loaded.colorize(Photo(planes.lightness(original)))
        away = (rgb_to_lab(ours) - rgb_to_lab(theirs)).norm(dim=0)
        assert away.median() < 1
        assert away.quantile(0.9) < 3  # it is luma that stays as it is here, and not lightness
        assert rgb_to_lab(theirs)[1:].norm(dim=0).median() > 5


def test_saturation_and_size_are_the_models(model: Path) -> None:
    film = make_film(Path("film.mkv"), 2)
    for name, settings in (("plain", {}), ("grey", {"saturation": 0.0}), ("larger", {"size": 64})):
        colour(model, film, f"{name}.mkv", lossless=True, **settings)
    assert (colours(Path("grey.mkv")) == 128).all()
    assert (colours(Path("plain.mkv")) != colours(Path("larger.mkv"))).any()


@pytest.mark.parametrize(("name", "subtitles"), [("film.mkv", "subrip"), ("film.mp4", "mov_text")])
def test_sound_and_subtitles_are_copied(model: Path, name: str, subtitles: str) -> None:
    film = make_film(Path(name), 20, tone="aac", subtitles=subtitles)
    colour(model, film, f"out-{name}")
    for kind in ("audio", "subtitle"):
        assert packets_of(film, kind)
        assert packets_of(Path(f"out-{name}"), kind) == packets_of(film, kind)
    with av.open(f"out-{name}") as out:
        assert [stream.type for stream in out.streams] == ["video", "audio", "subtitle"]
        assert out.metadata["title"] == "Gardens"


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.mov"])
def test_a_film_says_where_its_colours_are_from_after_what_it_said_before(model: Path, name: str) -> None:
    film = make_film(Path("film.mkv"), 2, comment="Our garden")
    colour(model, film, name)
    with av.open(name) as out:
        told = {key.lower(): value for key, value in out.metadata.items()}["comment"]
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert told.splitlines() == ["Our garden", f"coloured by zoo {zoo_version()} with model, SHA-256 {digest}"]


def test_times_are_kept_exactly_however_unequal(model: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).integers(1, 3000, 30)).tolist()
    film = make_film(Path("film.mp4"), 30, times=times)
    colour(model, film, "out.mp4")
    shown = [frame.pts * frame.time_base for frame in frames_of(Path("out.mp4"))]
    assert np.diff(shown).tolist() == (np.diff(times) * TICKS).tolist()
    assert shown == [frame.pts * frame.time_base for frame in frames_of(film)]
    colour(model, film, "out.mkv")
    in_mkv = [frame.pts * frame.time_base for frame in frames_of(Path("out.mkv"))]
    assert np.allclose([float(time) for time in in_mkv], [float(time) for time in shown], atol=0.00051)


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
def test_tags_aspect_and_rotation_are_kept(model: Path, name: str) -> None:
    film = make_film(Path("film.mp4"), 3, tags=(2, 6, 5, 6), turned=90, aspect=Fraction(16, 11))
    colour(model, film, name)
    with av.open(name) as out:
        frame = next(out.decode(video=0))
        assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (2, 6, 5, 6)
        assert frame.rotation == 90
        assert out.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_the_model_sees_a_turned_film_upright(model: Path) -> None:
    upright = [picture(number) for number in range(3)]
    films = [make_film(Path("upright.mkv"), upright, codec="ffv1")]
    films += [make_film(Path("turned.mkv"), [np.rot90(luma, -1).copy() for luma in upright], codec="ffv1", turned=90)]
    for film in films:
        colour(model, film, f"out-{film}", lossless=True, steady=0)
    ours, wanted = (frames_of(Path(f"out-{film}"))[2] for film in reversed(films))
    assert np.abs(np.rot90(plane_of(ours, 1)).astype(int) - plane_of(wanted, 1)).max() <= 1


@pytest.mark.parametrize(
    ("codec", "pixels", "tags", "lossless", "wanted"),
    [
        ("ffv1", "gray", (0, 2, 2, 2), True, "yuv420p"),
        ("ffv1", "gray", (1, 2, 2, 2), True, "yuv420p"),
        ("ffv1", "gray10le", (0, 2, 2, 2), True, "yuv420p10le"),
        ("ffv1", "yuv420p10le", (1, 1, 1, 1), True, "yuv420p10le"),
        ("ffv1", "yuv422p", (1, 5, 5, 1), True, "yuv422p"),
        ("ffv1", "yuv411p", (1, 5, 5, 1), True, "yuv422p"),
        ("ffv1", "yuv420p16le", (1, 1, 1, 1), True, "yuv420p16le"),
        ("mjpeg", "yuvj420p", (2, 5, 1, 1), True, "yuv420p"),
        ("libx264", "yuv420p10le", (1, 1, 1, 1), False, "yuv420p10le"),
        ("libx264", "gray", (1, 1, 1, 1), False, "yuv420p"),
    ],
)
def test_luma_of_any_kind(
    model: Path, codec: str, pixels: str, tags: tuple[int, int, int, int], lossless: bool, wanted: str
) -> None:
    film = make_film(Path("film.mkv"), 2, codec=codec, pixels=pixels, tags=tags)
    colour(model, film, "out.mkv", lossless=lossless)
    (frame, _), (original, _) = frames_of(Path("out.mkv")), frames_of(film)
    assert frame.format.name in (wanted, wanted.replace("yuv", "yuvj"))
    away = np.abs(plane_of(frame, 0).astype(int) - plane_of(original, 0))
    assert away.max() == 0 if lossless else away.mean() < 1.5 * 2 ** (frame.format.components[0].bits - 8)
    # Greys without a range are of the whole one, and say so then.
    assert frame.color_range == (2 if tags[0] == 2 or (tags[0], pixels[:4]) == (0, "gray") else 1)


@pytest.mark.parametrize(("pixels", "height", "width"), [("rgb24", 48, 64), ("yuv420p", 47, 63), ("yuv444p", 47, 63)])
def test_rgb_and_odd_sizes(model: Path, pixels: str, height: int, width: int) -> None:
    pictures = [picture(number, height=height, width=width) for number in range(2)]
    codec, tags = ("png", (2, 0, 2, 2)) if pixels == "rgb24" else ("ffv1", (0, 2, 2, 2))
    film = make_film(
        Path("film.mov" if codec == "png" else "film.mkv"), pictures, codec=codec, pixels=pixels, tags=tags
    )
    colour(model, film, "out.mkv")
    (frame, _), (original, _) = frames_of(Path("out.mkv")), frames_of(film)
    assert frame.format.name in ("yuv444p", "yuvj444p")
    shown = [torch.from_numpy(one.to_ndarray(format="rgb24")).movedim(2, 0) for one in (frame, original)]
    ours, theirs = map(rgb_to_lab, shown)
    assert (ours[0] - theirs[0]).abs().mean() < 3
    assert ours[1:].norm(dim=0).mean() > 5


def test_colours_change_lightness_little_and_stay_within_what_can_be_shown() -> None:
    film = examine(make_film(Path("film.mkv"), 1, pixels="yuv444p"), lossless=True)
    planes = Planes(film)
    ramp = np.broadcast_to(np.arange(16, 236, dtype=np.uint8), (4, 220))
    for a, b in ((60, 30), (-50, 40), (20, -80), (10, 10)):
        frame = grey_frame(ramp, "yuv444p")
        planes.paint(frame, torch.tensor([a / 110, b / 110]).view(2, 1, 1))
        luma, blue, red = (torch.from_numpy(plane_of(frame, number).astype("float64")) for number in range(3))
        luma, blue, red = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
        r, b_ = luma + 1.5748 * red, luma + 1.8556 * blue
        rgb = torch.stack((r, (luma - 0.2126 * r - 0.0722 * b_) / 0.7152, b_))
        assert rgb.min() > -0.01
        assert rgb.max() < 1.01
        lab = rgb_to_lab(rgb.clamp(0, 1))
        grey = planes.lightness(frame)[0]
        assert (lab[0] - grey).abs().mean() < (1 if (a, b) == (10, 10) else 5)
        hue = torch.atan2(lab[2], lab[1])[2, 60:160] - np.arctan2(b, a)
        assert hue.abs().max() < 0.35


# ------------------------------------------------------------------------------------------------- going on


def kill(model: Path, film: Path, out: str, after: int, **settings: Any) -> None:
    """Colour a film in a copy of this process that is killed in between."""

    def told(done: int, total: int | None) -> None:
        if done == after:
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(
        target=lambda: colour(model, film, out, told=told, **settings)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("lossless", [False, True])
def test_a_killed_film_goes_on_and_comes_out_the_same(model: Path, lossless: bool) -> None:
    film = make_film(Path("film.mkv"), 30, tone="aac")
    whole, again = colour(model, film, "whole.mkv", lossless=lossless), Path("again.mkv")
    assert (whole.frames, whole.resumed) == (30, 0)
    kill(model, film, "again.mkv", 4, lossless=lossless)
    kill(model, film, "again.mkv", 21, lossless=lossless)
    assert not again.exists()
    assert sorted(path.name for path in Path("again.mkv.parts").glob("0*")) == [
        "00000.nut", "00000.safetensors", "00001.nut", "00001.safetensors",
    ]  # fmt: skip
    outcome = colour(model, film, "again.mkv", lossless=lossless)
    assert (outcome.frames, outcome.resumed) == (30, 16)
    ours, theirs = frames_of(again), frames_of(Path("whole.mkv"))
    assert [frame.pts for frame in ours] == [frame.pts for frame in theirs]
    assert all((a.to_ndarray() == b.to_ndarray()).all() for a, b in zip(ours, theirs, strict=True))
    assert packets_of(again, "audio") == packets_of(film, "audio")
    assert not list(Path().glob("*.parts"))


def test_the_encoder_gives_the_same_in_every_process(model: Path) -> None:
    film = make_film(Path("film.mkv"), 2)
    colour(model, film, "out.mkv")
    # x264 writes its settings into its first packet; with this one, frames whose sides are no multiples of 16 came out
    # a little different in each process.
    assert b"mbtree=0" in packets_of(Path("out.mkv"), "video")[0][1]


@pytest.fixture
def begun(model: Path) -> Path:
    """A film of which some is done."""
    film = make_film(Path("film.mkv"), 20)

    def told(done: int, total: int | None) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colour(model, film, "out.mkv", told=told)
    return film


def test_ctrl_c_leaves_what_is_done(model: Path, begun: Path) -> None:
    assert sorted(path.name for path in Path("out.mkv.parts").iterdir() if path.suffix == ".nut") == ["00000.nut"]
    result = video(begun, "-o", "out.mkv", "-m", model)
    assert result.stdout == "out.mkv is written: 20 frames, 8 of them by an earlier command\n"


def test_what_was_begun_otherwise_is_not_gone_on_with(model: Path, begun: Path) -> None:
    result = video(begun, "-o", "out.mkv", "-m", model, "--saturation", 0.5)
    assert result.exit_code == 2
    assert "out.mkv.parts holds the beginning of another film: settings was different" in result.stderr
    make_film(begun, 21)
    assert "film was different" in video(begun, "-o", "out.mkv", "-m", model).stderr
    result = video(begun, "-o", "out.mkv", "-m", model, "--overwrite")
    assert result.stdout == "out.mkv is written: 21 frames\n"


def test_two_at_once_are_refused(model: Path, begun: Path) -> None:
    from filelock import FileLock

    with FileLock("out.mkv.parts/.lock"):
        result = video(begun, "-o", "out.mkv", "-m", model)
    assert result.exit_code == 2
    assert "another zoo is making out.mkv already" in result.stderr


def test_frames_in_memory_are_a_handful(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = make_film(Path("film.mkv"), 40)
    ahead = []
    read, done = [0], [0]
    own = Frames.__iter__

    def counted(self: Frames) -> Any:
        for frame in own(self):
            read[0] += 1
            ahead.append(read[0] - done[0])
            yield frame

    monkeypatch.setattr(Frames, "__iter__", counted)
    colour(model, film, "out.mkv", told=lambda count, total: done.__setitem__(0, count))
    assert max(ahead) <= 1 + colouring.BATCH


# ------------------------------------------------------------------------------------------------- when it fails


@pytest.mark.parametrize(
    ("prepare", "words", "code", "message"),
    [
        (lambda: None, ("nope.mkv", "-o", "out.mkv"), 2, "there is no film nope.mkv"),
        (lambda: Path("d").mkdir(), ("d", "-o", "out.mkv"), 2, "d is a folder"),
        (
            lambda: Path("a.mkv").write_bytes(b"?" * 999),
            ("a.mkv", "-o", "o.mkv"),
            1,
            "a.mkv cannot be read as a film: ",
        ),
        (lambda: Path("a.mkv").touch(), ("a.mkv", "-o", "o.mkv"), 1, "a.mkv cannot be read as a film: "),
        (lambda: colourful(9, 9).save("a.png"), ("a.png", "-o", "o.mkv"), 2, "a.png is no film: zoo colorize is for"),
        (lambda: None, ("film.mkv", "-o", "out"), 2, "-o out: the result's name must end in .mkv or .mp4"),
        (lambda: None, ("film.mkv", "-o", "o.mp4", "--lossless"), 2, "with --lossless, the result's name ends in .mkv"),
        (lambda: None, ("film.mkv", "-o", "d/out.mkv"), 2, "-o d/out.mkv: there is no folder d"),
        (lambda: Path("o.mkv").mkdir(), ("film.mkv", "-o", "o.mkv"), 2, "-o o.mkv is a folder: give a file"),
        (lambda: None, ("film.mkv", "-o", "film.mkv", "--overwrite"), 2, "-o film.mkv is the film itself"),
        (lambda: Path("o.mkv").touch(), ("film.mkv", "-o", "o.mkv"), 2, "o.mkv is there already"),
        (lambda: Path("o.mkv.parts").touch(), ("film.mkv", "-o", "o.mkv"), 2, "o.mkv.parts is in the way"),
        (lambda: make_film(Path("a.mkv"), 1, tags=(1, 9, 9, 16)), ("a.mkv", "-o", "o.mkv"), 2, "a.mkv is in HDR (PQ)"),
        (lambda: make_film(Path("a.mkv"), 1, subtitles="subrip"), ("a.mkv", "-o", "o.mp4"), 2, "subtitles (srt); take"),
    ],
)
def test_mistakes_get_one_sentence(
    model: Path, prepare: Callable[[], object], words: tuple[str, ...], code: int, message: str
) -> None:
    make_film(Path("film.mkv"), 1)
    prepare()
    result = video(*words, "-m", model)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not [path for path in Path().glob("o*.mkv") if path.is_file() and path.stat().st_size]


def test_sound_alone_is_no_film(model: Path) -> None:
    with av.open("a.mkv", "w") as out:
        sound: Any = out.add_stream("aac", rate=8000, layout="mono")
        piece: Any = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        piece.sample_rate = 8000
        out.mux(sound.encode(piece))
        out.mux(sound.encode())
    result = video("a.mkv", "-o", "o.mkv", "-m", model)
    assert result.exit_code == 2
    assert "a.mkv has no moving pictures" in result.stderr


def test_a_film_that_is_cut_short(model: Path) -> None:
    content = make_film(Path("film.mp4"), 20).read_bytes()
    Path("film.mp4").write_bytes(content[: len(content) // 2])
    result = video("film.mp4", "-o", "o.mp4", "-m", model)
    assert result.exit_code == 1
    assert "film.mp4 cannot be read as a film" in result.stderr


def test_damaged_pieces_are_passed_over_and_told(model: Path) -> None:
    film = make_film(Path("film.mkv"), 20, codec="mjpeg", pixels="yuvj420p", tags=(2, 5, 2, 2))
    content = bytearray(film.read_bytes())
    (_, tenth) = packets_of(film, "video")[10]
    place = bytes(content).find(tenth)
    content[place : place + len(tenth)] = bytes(len(tenth))
    film.write_bytes(content)
    result = video(film, "-o", "out.mkv", "-m", model)
    assert result.exit_code == 0, result.output
    assert "note: 1 pieces of film.mkv are damaged, and were passed over" in result.stderr
    assert len(frames_of(Path("out.mkv"))) == 19


def test_without_pyav_it_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colouring, "find_spec", lambda _: None)
    result = video("film.mkv", "-o", "out.mkv", "-m", model)
    assert result.exit_code == 2
    assert result.stderr == "error: zoo video needs PyAV: pip install av\n"


def test_a_full_disk_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = make_film(Path("film.mkv"), 20)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo_video.segments.save_tensors", fail)
    result = video(film, "-o", "out.mkv", "-m", model)
    assert result.exit_code == 1
    assert "the disk is full" in result.stderr
    assert not list(Path("out.mkv.parts").glob("*.nut"))


def test_the_command_is_a_plugins() -> None:
    command = registry.get().commands["video"]
    assert (command.plugin, command.distribution) == ("video", "gan-zoo")


# ------------------------------------------------------------------------------------------------- holding still


def view(x: float, y: float = 0.0, seed: int = 3) -> Tensor:
    """What a generator sees where a camera looks at a place: (1, 48, 64)."""
    wide = torch.from_numpy(np.asarray(colourful(96, 192, seed=seed).convert("L")).copy()).float()[None] / 127.5 - 1
    flow = torch.tensor([x + 40, y + 20]).view(2, 1, 1).expand(2, 96, 192)
    return warp(wide, flow)[:, :HEIGHT, :WIDTH]


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.5, -0.5), (-4.0, 2.0), (9.0, 3.0)])
def test_the_flow_of_a_pan_is_found(x: float, y: float) -> None:
    flow = find_flow(view(0), view(x, y))[:, 12:-12, 12:-12]
    assert (flow - torch.tensor([x, y]).view(2, 1, 1)).norm(dim=0).median() < 0.15 + 0.05 * abs(x)


def flicker(frames: list[Tensor], by: float) -> float:
    flow = torch.tensor([by, 0.0]).view(2, 1, 1).expand(2, HEIGHT, WIDTH)
    return float(torch.stack([(warp(a, flow) - b)[:, :, 8:-8].norm(dim=0).mean() for a, b in pairwise(frames)]).mean())


def test_colours_that_flicker_are_held_while_the_camera_moves() -> None:
    random = torch.Generator().manual_seed(0)
    truth = [torch.cat((view(number), -view(number))) / 4 for number in range(24)]
    shaky = [chroma + 0.05 * torch.randn(2, 1, 1, generator=random) for chroma in truth]
    calm = Steady(0.5)
    held = [calm(view(number), chroma, number / 24) for number, chroma in enumerate(shaky)]
    assert flicker(held, 1) < flicker(shaky, 1) / 4
    away = torch.stack([(a - b).norm(dim=0).mean() for a, b in zip(held, truth, strict=True)]).mean()
    assert away < torch.stack([(a - b).norm(dim=0).mean() for a, b in zip(shaky, truth, strict=True)]).mean()


def test_after_a_cut_nothing_is_left_of_the_shot_before() -> None:
    calm, red, blue = Steady(2), torch.full((2, HEIGHT, WIDTH), 0.4), torch.full((2, HEIGHT, WIDTH), -0.4)
    calm(view(0), red, 0)
    assert calm(view(0), blue, 0.04).mean() > 0.3
    for seed in range(20, 30):
        assert torch.equal(calm(view(0, seed=seed), blue, 0.08), blue)
        calm = Steady(2)
        calm(view(0), red, 0)


def test_what_comes_into_the_picture_has_its_own_colours() -> None:
    calm, red, blue = Steady(2), torch.full((2, HEIGHT, WIDTH), 0.4), torch.full((2, HEIGHT, WIDTH), -0.4)
    calm(view(0), red, 0)
    covered = view(0)
    covered[:, 10:30, 20:40] *= -1
    shown = calm(covered, blue, 0.04)
    assert shown[:, 14:26, 24:36].mean() < -0.37
    assert shown[:, 40:, 4:16].mean() > 0.25


def test_brightness_that_changes_as_a_whole_is_no_motion() -> None:
    calm, red, blue = Steady(2), torch.full((2, HEIGHT, WIDTH), 0.4), torch.full((2, HEIGHT, WIDTH), -0.4)
    calm(view(0), red, 0)
    assert calm(view(0) + 0.3, blue, 0.04).mean() > 0.3


def test_the_average_is_over_time_whatever_the_frames() -> None:
    shown = []
    for rate in (5, 50):
        calm, red, blue = Steady(0.5), torch.full((2, HEIGHT, WIDTH), 0.4), torch.full((2, HEIGHT, WIDTH), -0.4)
        calm(view(0), red, 0)
        for number in range(1, rate + 1):
            last = calm(view(0), blue, number / rate)
        shown.append(float(last.mean()))
    assert shown[0] == pytest.approx(shown[1], abs=0.01) == pytest.approx(0.8 * np.exp(-2) - 0.4, abs=0.01)


def test_zero_seconds_leave_predictions_alone() -> None:
    calm = Steady(0)
    for value in (0.4, -0.4):
        chroma = torch.full((2, HEIGHT, WIDTH), value)
        assert torch.equal(calm(view(0), chroma, 0), chroma)

"""What people and programs wrote into a photograph's file: it survives, corrected, with a mark."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import GREY, saved
from PIL import Image, JpegImagePlugin, PngImagePlugin

from zoo.photo import Mark, Notes, PhotoError, Stored, count_pages, read_photo, save_photo, xmp

MARK = Mark("1.2", "natural", "ab" * 32)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
ZOO = "{urn:gan-zoo:xmp:1.0/}"
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="uuid:7" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"
 xmlns:my="http://mine/" my:note="two&#xA;lines &amp; more"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Grüße ]]&gt;</rdf:li></rdf:Alt></dc:title>
<tiff:ImageWidth>9</tiff:ImageWidth>
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()
IPTC = b"\x1c\x02\x78\x00\x05Tanz!"  # a caption
OTHER = b"8BIM\x04\x0b\x00\x00\x00\x00\x00\x08http://x"  # the web address of the copyright's owner
PREVIEW = b"8BIM\x04\x0c\x00\x00\x00\x00\x00\x04grey"
RESOURCES = b"8BIM\x04\x04\x00\x00\x00\x00\x00\x0a" + IPTC + OTHER + PREVIEW


def properties(packet: bytes) -> dict[str, str]:
    """What an XMP packet says as attributes or plain text."""
    found = dict[str, str]()
    for description in ET.fromstring(packet).iter(f"{RDF}Description"):
        found |= {key: value for key, value in description.attrib.items() if not key.startswith(RDF)}
        found |= {child.tag: child.text or "" for child in description if not len(child)}
    return found


def updated(packet: bytes | None) -> bytes:
    made = xmp.updated(packet, mark=MARK, width=30, height=20)
    assert made is not None
    return made


def test_xmp_keeps_what_it_says_and_is_corrected_and_marked() -> None:
    said = properties(updated(XMP))
    assert said["{http://mine/}note"] == "two\nlines & more"
    assert said["{http://ns.adobe.com/tiff/1.0/}Orientation"] == "1"
    assert said["{http://ns.adobe.com/tiff/1.0/}ImageWidth"] == "30"
    assert said[f"{EXT}DigitalSourceType"] == xmp.ENHANCED
    assert said[f"{ZOO}OriginalDigitalSourceType"].endswith("negativeFilm")
    assert (said[f"{ZOO}Version"], said[f"{ZOO}Model"], said[f"{ZOO}ModelSHA256"]) == ("1.2", "natural", "ab" * 32)
    assert "Grüße ]]&gt;".encode() in updated(XMP)
    assert b'rdf:about="uuid:7"' in updated(XMP)


def test_marking_twice_says_it_once() -> None:
    twice = updated(updated(XMP))
    assert updated(twice) == twice
    assert twice.count(b"algorithmicallyEnhanced") == 1
    assert properties(twice)[f"{ZOO}OriginalDigitalSourceType"].endswith("negativeFilm")


@pytest.mark.parametrize(
    "packet",
    [
        b"<x:xmpmeta",
        b"\xff\x00 no text",
        b"<a/>",
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + XMP.partition(b"?>")[2],
        b"\x00\x01",
    ],
)
def test_malformed_xmp_is_kept_word_for_word_and_the_result_is_marked(packet: bytes) -> None:
    said = properties(updated(packet))
    kept = said[f"{ZOO}UnreadableXMP"]
    import base64

    assert packet == (base64.b64decode(kept[7:]) if kept.startswith("base64:") else kept.encode())
    assert said[f"{EXT}DigitalSourceType"] == xmp.ENHANCED


def test_xmp_in_utf_16_is_read() -> None:
    assert properties(updated(XMP.decode().encode("utf-16")))["{http://mine/}note"] == "two\nlines & more"


def noted(path: Path) -> Path:
    """A photograph with notes of all kinds."""
    if path.suffix == ".jpg":
        extra = b"\xff\xed" + (16 + len(RESOURCES)).to_bytes(2, "big") + b"Photoshop 3.0\0" + RESOURCES
        return saved(path, GREY, xmp=XMP, comment=b"Sch\xf6n", extra=extra)
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Title", "Seiltänzer")
        info.add_text("Comment", "Schön")
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info.add_text("Raw profile type iptc", f"\niptc\n{len(RESOURCES):8}\n{RESOURCES.hex()}\n", zip=True)
        return saved(path, GREY, pnginfo=info)
    tags = {700: XMP, 33723: IPTC, 34377: RESOURCES}
    return saved(path, GREY, tiffinfo=tags)


@pytest.mark.parametrize("after", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("before", [".jpg", ".png", ".tif"])
def test_notes_survive_any_change_of_format(tmp_path: Path, before: str, after: str) -> None:
    original = read_photo(noted(tmp_path / f"a{before}")).notes
    assert (original.iptc, original.resources) == (IPTC, OTHER)
    save_photo(tmp_path / f"b{after}", torch.zeros(3, 20, 30, dtype=torch.uint8), notes=original, mark=MARK)
    notes = read_photo(tmp_path / f"b{after}").notes
    assert notes.xmp is not None
    assert properties(notes.xmp)["{http://mine/}note"] == "two\nlines & more"
    assert properties(notes.xmp)[f"{EXT}DigitalSourceType"] == xmp.ENHANCED
    assert (notes.iptc, notes.resources) == (IPTC, OTHER)
    said = "\n".join([*notes.lines(), notes.xmp.decode()])
    assert before == ".tif" or "Schön" in said
    assert before != ".png" or "Seiltänzer" in said
    assert before != ".jpg" or after != ".jpg" or notes.comments == (b"Sch\xf6n",)


def test_xmp_that_is_too_long_for_a_jpeg_file_goes_into_an_extension(tmp_path: Path) -> None:
    long = XMP.replace(b"two", b"x" * 200_000)
    for _ in range(2):  # an original's extension is read, and written again
        save_photo(tmp_path / "a.jpg", torch.zeros(3, 20, 30, dtype=torch.uint8), notes=Notes(xmp=long), mark=MARK)
        found = read_photo(tmp_path / "a.jpg").notes.xmp
        assert found is not None
        said = properties(found)
        assert said["{http://mine/}note"] == "x" * 200_000 + "\nlines & more"
        assert said[f"{EXT}DigitalSourceType"] == xmp.ENHANCED
        long = found
    with Image.open(tmp_path / "a.jpg") as image:
        assert xmp.ENHANCED.encode() in image.info["xmp"]


def test_garbled_resources_do_not_cost_the_photo(tmp_path: Path) -> None:
    for cut in range(len(RESOURCES)):
        path = saved(tmp_path / "a.tif", GREY, tiffinfo={34377: RESOURCES[:cut] or b"\0"})
        assert read_photo(path).lightness.shape == (1, 20, 30)


def test_jpeg_files_are_written_as_the_original_was(tmp_path: Path) -> None:
    saved(tmp_path / "a.jpg", GREY, quality=37, progressive=True)
    Image.fromarray(GREY).convert("RGB").save(tmp_path / "b.jpg", quality=61, subsampling="4:2:0")
    for name in ("a.jpg", "b.jpg"):
        photo = read_photo(tmp_path / name)
        save_photo(tmp_path / "out.jpg", torch.zeros(3, 20, 30, dtype=torch.uint8), stored=photo.stored)
        with Image.open(tmp_path / name) as before, Image.open(tmp_path / "out.jpg") as after:
            assert isinstance(before, JpegImagePlugin.JpegImageFile)
            assert isinstance(after, JpegImagePlugin.JpegImageFile)
            assert after.quantization == before.quantization
            assert bool(after.info.get("progressive")) == bool(before.info.get("progressive"))
            sampling = JpegImagePlugin.get_sampling(before) if before.mode == "RGB" else 0
            assert JpegImagePlugin.get_sampling(after) == sampling
    assert Stored("JPEG").quantization == ()


# ------------------------------------------------------------------------------------------------- pages


def pages(path: Path) -> Path:
    frames = [Image.fromarray(GREY).resize((30 + at, 20)) for at in range(4)]
    frames[2].encoderinfo = {"tiffinfo": {254: 1}}  # type: ignore[attr-defined]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def test_pages_are_read_one_by_one_without_previews(tmp_path: Path) -> None:
    path = pages(tmp_path / "a.tif")
    assert count_pages(path) == 3
    assert [read_photo(path, page).width for page in range(3)] == [30, 31, 33]
    with pytest.raises(PhotoError, match=r"page 4: .*no such page"):
        read_photo(path, 3)
    assert count_pages(saved(tmp_path / "b.png", GREY)) == 1


def test_what_follows_a_page_and_is_none_is_passed_over(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", GREY)
    data = bytearray(path.read_bytes())
    with Image.open(path) as image:
        start, count = image.tag_v2._offset, len(image.tag_v2)  # type: ignore[attr-defined]
    for garbled in (len(data) + 99, start, 2):
        data[start + 2 + 12 * count :][:4] = garbled.to_bytes(4, "little")
        path.write_bytes(data)
        assert count_pages(path) == 1
        assert read_photo(path).width == 30


def test_heic_photographs(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.register_heif_opener()
    path = saved(tmp_path / "a.heic", np.dstack([GREY] * 3), xmp=XMP, quality=90)
    photo = read_photo(path)
    assert (photo.width, photo.height, photo.stored.format) == (20, 30, "HEIF")  # its XMP says that it is turned
    assert b"my:note" in (photo.notes.xmp or b"")


def test_what_heic_photographs_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.photo.reading.photo_formats", lambda: ("PNG",))
    monkeypatch.setattr("zoo.photo.opening.photo_formats", lambda: ("PNG",))
    for name, advice in (("a.heic", "pip install pillow-heif"), ("a.avif", "Pillow 11.3 or a newer one")):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
        with pytest.raises(PhotoError, match=advice):
            read_photo(tmp_path / name)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("after", [".jpg", ".png", ".tif", ".webp"])
def test_exiftool_agrees(tmp_path: Path, after: str) -> None:
    notes = read_photo(noted(tmp_path / "a.jpg")).notes
    save_photo(tmp_path / f"b{after}", torch.zeros(3, 20, 30, dtype=torch.uint8), notes=notes, mark=MARK)
    command = ["exiftool", "-s3", "-Caption-Abstract", "-DigitalSourceType", "-ModelSHA256", "-Note", "-error"]
    run = subprocess.run([*command, str(tmp_path / f"b{after}")], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["Tanz!", xmp.ENHANCED, "ab" * 32, "two.lines & more"]

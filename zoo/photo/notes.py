"""What people and programs wrote into a photograph's file, beside what the camera noted."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from PIL import Image, PngImagePlugin

from zoo.photo import xmp

IPTC_TAG, RESOURCES_TAG, XMP_TAG = 33723, 34377, 700
"""TIFF tags."""
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC = 0x0404
# What Photoshop keeps of its own beside IPTC's records: previews in grey, and copies of profile, EXIF and XMP.
_NOT_KEPT = (0x0409, 0x040C, 0x040F, 0x0422, 0x0423, 0x0424)
_RAW_PROFILE = "Raw profile type "
_XMP_KEY = "XML:com.adobe.xmp"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


@dataclass(frozen=True)
class Notes:
    """What people and programs wrote into a photograph's file."""

    xmp: bytes | None = None
    """The XMP packet, whatever it is worth."""
    iptc: bytes | None = None
    """IPTC's records (IIM)."""
    resources: bytes = b""
    """The other image resources of Photoshop's, such as the web address of the copyright's owner."""
    comments: tuple[bytes, ...] = ()
    """Of JPEG, GIF and JPEG 2000 files; in no particular encoding."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """What a PNG file says, by its key words."""

    def lines(self) -> list[str]:
        """Comments and texts, for files that have no place of their own for them."""
        said = [text if key == "Comment" else f"{key}: {text}" for key, text in self.texts.items()]
        return [*map(as_text, self.comments), *said]


def notes_in(image: Image.Image) -> Notes:
    """Collect what is written in an opened picture. What is garbled is passed over, or kept as it is."""
    packet = image.info.get("xmp")
    iptc, resources, texts = None, b"", dict[str, str]()
    comments: tuple[bytes, ...] = ()
    if image.format in ("JPEG", "MPO"):
        segments: list[tuple[str, bytes]] = getattr(image, "applist", [])
        comments = tuple(data for name, data in segments if name == "COM")
        shop = [data[len(_PHOTOSHOP) :] for name, data in segments if name == "APP13" and data.startswith(_PHOTOSHOP)]
        iptc, resources = _resources(b"".join(shop))
        more = [data for name, data in segments if name == "APP1" and data.startswith(_EXTENSION)]
        if more and isinstance(packet, bytes):
            packet = xmp.with_extension(packet, _extension(packet, more))
    elif isinstance(image, PngImagePlugin.PngImageFile):
        texts = {str(key): str(text) for key, text in image.text.items()}
        iptc, resources = _raw_iptc(texts)
        packet = packet or texts.get(_XMP_KEY) or _raw_profile(texts.get(_RAW_PROFILE + "xmp", ""))
        texts = {key: text for key, text in texts.items() if key != _XMP_KEY and not key.startswith(_RAW_PROFILE)}
    elif image.format == "TIFF":
        packet = _tag(image, XMP_TAG)
        iptc, resources = _resources(_tag(image, RESOURCES_TAG) or b"")
        iptc = _tag(image, IPTC_TAG) or iptc
    else:
        with contextlib.suppress(Exception):  # what an editor garbled must not cost the photo
            exif = image.getexif()
            iptc, resources = exif.get(IPTC_TAG), exif.get(RESOURCES_TAG, b"")
        comment = image.info.get("comment")
        comments = (comment if isinstance(comment, bytes) else str(comment).encode(),) if comment else ()
    packet = packet.encode() if isinstance(packet, str) else packet
    return Notes(
        packet.rstrip(b"\0") or None if isinstance(packet, bytes) else None, iptc or None, resources, comments, texts
    )


def as_text(comment: bytes) -> str:
    """Read a comment, whose encoding nobody says."""
    try:
        return comment.decode("utf-8")
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def photoshop(notes: Notes) -> bytes:
    """IPTC's records and the other resources, as Photoshop keeps them."""
    iptc = b"" if notes.iptc is None else b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(notes.iptc)) + _even(notes.iptc)
    return iptc + notes.resources


def segments(notes: Notes) -> Iterator[bytes]:
    """Yield a JPEG file's segments with comments, texts and what Photoshop keeps."""
    kept = photoshop(notes)
    for start in range(0, len(kept), 65000):
        yield _segment(0xED, _PHOTOSHOP + kept[start : start + 65000])
    for comment in (*notes.comments, *(text.encode() for text in notes.lines()[len(notes.comments) :])):
        for start in range(0, len(comment), 65000):
            yield _segment(0xFE, comment[start : start + 65000])


def xmp_segments(packet: bytes) -> Iterator[bytes]:
    """Yield a JPEG file's segments with an XMP packet. What is too long for one goes into others, as Adobe does it.

    Adobe, "XMP Specification Part 3: Storage in Files" (2020), section 1.1.3.1.
    """
    main, extension = xmp.split(packet)
    yield _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + main)
    if extension is None:
        return
    for start in range(0, len(extension), 65000):
        head = _EXTENSION + xmp.digest(extension) + struct.pack(">II", len(extension), start)
        yield _segment(0xE1, head + extension[start : start + 65000])


def png_info(notes: Notes, packet: bytes | None) -> PngImagePlugin.PngInfo:
    """What a PNG file says: texts, comments, XMP, and IPTC's records as ImageMagick writes them."""
    info = PngImagePlugin.PngInfo()
    comments = [*map(as_text, notes.comments), notes.texts.get("Comment", "")]
    said = "\n".join(text for text in comments if text)
    for key, text in {**notes.texts, **({"Comment": said} if said else {})}.items():
        with contextlib.suppress(UnicodeError):  # a key word that is none
            info.add_text(key.encode("latin-1")[:79], text)
    if packet is not None:
        info.add(b"iTXt", _XMP_KEY.encode() + b"\0\0\0\0\0" + packet)
    if kept := photoshop(notes):
        digits = kept.hex()
        rows = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
        info.add_text(_RAW_PROFILE + "iptc", f"\niptc\n{len(kept):8}\n{rows}\n", zip=True)
    return info


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _tag(image: Image.Image, tag: int) -> bytes | None:
    """A TIFF tag's bytes. Many programs say that IPTC's are 32-bit numbers, of which Pillow would hand over one."""
    directory = getattr(image, "tag_v2", None)
    raw = getattr(directory, "_tagdata", {}).get(tag)
    return bytes(raw) if isinstance(raw, bytes | bytearray | memoryview) else None


def _resources(data: bytes) -> tuple[bytes | None, bytes]:
    """Take Photoshop's resources apart: IPTC's records, and the others that are worth keeping.

    Adobe, "Photoshop File Formats Specification" (2019), "Image resource blocks".
    """
    iptc, kept, place = None, b"", 0
    while data[place : place + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"):
        name = place + 6
        start = name + (data[name] + 2) // 2 * 2 + 4 if name < len(data) else len(data) + 1
        if start > len(data):
            break
        (kind,), (size,) = struct.unpack_from(">H", data, place + 4), struct.unpack_from(">I", data, start - 4)
        end = start + size
        if end > len(data):
            break
        if kind == _IPTC and iptc is None:
            iptc = data[start:end]
        elif kind not in _NOT_KEPT:
            kept += _even(data[place:end])
        place = end + size % 2
    return iptc, kept


def _raw_profile(text: str) -> bytes:
    """Read a profile as ImageMagick writes it into PNG files: its name, its length, and hexadecimal digits."""
    parts = re.fullmatch(r"\s*\S+\s+\d+\s+([0-9a-fA-F\s]*)", text)
    try:
        return bytes.fromhex(parts[1]) if parts else b""
    except ValueError:
        return b""


def _raw_iptc(texts: Mapping[str, str]) -> tuple[bytes | None, bytes]:
    for kind in ("iptc", "8bim"):
        if raw := _raw_profile(texts.get(_RAW_PROFILE + kind, "")).removeprefix(_PHOTOSHOP):
            return _resources(raw) if raw.startswith(b"8BIM") else (raw, b"")
    return None, b""


def _extension(packet: bytes, segments: list[bytes]) -> bytes:
    """Put together the rest of an XMP packet that was too long for a segment."""
    parts = dict[int, bytes]()
    for data in segments:
        head = len(_EXTENSION)
        if len(data) >= head + 40 and data[head : head + 32] in packet:
            parts[struct.unpack_from(">I", data, head + 36)[0]] = data[head + 40 :]
    return b"".join(parts[start] for start in sorted(parts))

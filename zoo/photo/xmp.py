"""XMP packets: read with care, corrected where colouring makes them wrong, and marked.

The form is that of Adobe's "XMP Specification Part 1" (ISO 16684-1:2019). The mark is IPTC's: "Digital Source Type" of
the IPTC Photo Metadata Standard 2023.2.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.dom import minidom
from xml.parsers import expat

ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
"""IPTC's word for a photograph that a program improved, and that is still of what was in front of the camera."""
NAMESPACE = "urn:gan-zoo:xmp:1.0/"
"""Of what zoo says in XMP."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP, _NOTE = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
_TIFF, _EXIF, _SHOP = (
    "http://ns.adobe.com/tiff/1.0/",
    "http://ns.adobe.com/exif/1.0/",
    "http://ns.adobe.com/photoshop/1.0/",
)
_PREFIXES = {_IPTC_EXT: "Iptc4xmpExt", NAMESPACE: "zoo", _NOTE: "xmpNote"}
# What is not true of the result: it lies upright, its colours are sRGB, and previews are grey.
_CORRECTED = {
    (_TIFF, "Orientation"): "1",
    (_EXIF, "ColorSpace"): "1",
    (_SHOP, "ColorMode"): "3",
    (_SHOP, "ICCProfile"): None,
    (_TIFF, "BitsPerSample"): None,
    (_TIFF, "PhotometricInterpretation"): None,
    (_TIFF, "SamplesPerPixel"): None,
    (_TIFF, "Compression"): None,
    (_XMP, "Thumbnails"): None,
}
_WIDTHS, _HEIGHTS = (
    ((_TIFF, "ImageWidth"), (_EXIF, "PixelXDimension")),
    ((_TIFF, "ImageLength"), (_EXIF, "PixelYDimension")),
)
_LONGEST = 65502
"""Bytes of XMP that fit into one segment of a JPEG file."""
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"/></x:xmpmeta>'.encode()
# Of tab, line feed and carriage return: characters that XML has not.
_STAND_INS = {9: "\x01", 10: "\x02", 13: "\x03"}
# What XML has no characters for.
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Mark:
    """What a coloured photograph says of how it got its colours."""

    version: str
    """zoo's."""
    model: str = ""
    """The model's name."""
    sha256: str = ""
    """Of the model's file, in hexadecimal digits."""


class _MalformedError(Exception):
    pass


def updated(
    packet: bytes | None, *, mark: Mark | None, width: int, height: int, lines: Sequence[str] = ()
) -> bytes | None:
    """Make the XMP packet of a coloured photograph from that of the original.

    What the original says stays, but for what is not true any more: orientation, size, previews, …. A packet that is
    not XML, or that has a document type (whose entities may be bombs), is kept word for word in a property of the new
    one.

    Args:
        packet: the original's.
        mark: what the result says of how it got its colours.
        width: its size, in pixels.
        height: likewise.
        lines: comments that have no place of their own in the file.

    Returns:
        None if there is nothing to say.
    """
    if packet is None and mark is None and not lines:
        return None
    said = list[tuple[str, str, str | Sequence[str]]]()
    try:
        document = _parsed(packet or _EMPTY)
    except _MalformedError:
        if mark is None and not lines:
            return packet
        document = _parsed(_EMPTY)
        assert packet is not None
        said.append((NAMESPACE, "UnreadableXMP", _legible(packet)))
    root = _rdf(document)
    corrections = {**_CORRECTED, **dict.fromkeys(_WIDTHS, str(width)), **dict.fromkeys(_HEIGHTS, str(height))}
    for (namespace, name), value in corrections.items():
        for node, description in list(_places(root, namespace, name)):
            if value is not None and _text(node) is not None:
                _set_text(node, value)
            elif value is None:
                _remove(node, description)
    if mark is not None:
        before = [_text(node) for node, _ in _places(root, _IPTC_EXT, "DigitalSourceType")]
        said.append((_IPTC_EXT, "DigitalSourceType", ENHANCED))
        if before and before[0] and before[0] != ENHANCED:
            said.append((NAMESPACE, "OriginalDigitalSourceType", before[0]))
        said += [(NAMESPACE, "Version", mark.version), (NAMESPACE, "Model", mark.model)]
        said.append((NAMESPACE, "ModelSHA256", mark.sha256))
    if lines:
        said.append((NAMESPACE, "Comments", lines))
    _add(document, root, [one for one in said if one[2]])
    return _packet(document)


def with_extension(packet: bytes, extension: bytes) -> bytes:
    """Put together a packet and its extension, where both can be read."""
    try:
        document, more = _parsed(packet), _parsed(extension)
    except _MalformedError:
        return packet
    root = _rdf(document)
    for node, description in list(_places(root, _NOTE, "HasExtendedXMP")):
        _remove(node, description)
    for child in list(_rdf(more).childNodes):
        _carry_prefixes(child)
        root.appendChild(document.importNode(child, True))
    return _packet(document)


def split(packet: bytes) -> tuple[bytes, bytes | None]:
    """Make two of a packet that is too long for a segment of a JPEG file: one that fits, and an extension."""
    if len(packet) <= _LONGEST:
        return packet, None
    try:
        document, main = _parsed(packet), _parsed(_EMPTY)
    except _MalformedError:  # never of `updated`
        return packet[:_LONGEST], None
    root = _rdf(document)
    ours = [node for node in _elements(root) if node.getAttributeNS(_IPTC_EXT, "DigitalSourceType")]
    for node in ours:
        root.removeChild(node)
        copy = main.importNode(node, True)
        for unbounded in list(_elements(copy)):
            # Comments and what could not be read are the rest's.
            copy.removeChild(unbounded)
        _rdf(main).appendChild(copy)
    for node in ours:
        for attribute in [*node.attributes.values()]:
            if attribute.namespaceURI in (_IPTC_EXT, NAMESPACE):
                node.removeAttributeNode(attribute)
        if _elements_of(node):
            root.appendChild(node)
    extension = _serialized(document)
    _add(main, _rdf(main), [(_NOTE, "HasExtendedXMP", digest(extension).decode())])
    return _packet(main), extension


def digest(extension: bytes) -> bytes:
    """What a packet calls its extension: 32 digits."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()


# ------------------------------------------------------------------------------------------------- XML


def _parsed(packet: bytes) -> minidom.Document:
    def refuse(*_: object) -> None:
        raise _MalformedError

    packet = packet.strip(b"\0 \t\r\n") if not packet.startswith((b"\xff\xfe", b"\xfe\xff")) else packet
    check = expat.ParserCreate()
    check.StartDoctypeDeclHandler = refuse
    try:
        check.Parse(packet, True)
        document = minidom.parseString(packet)
        document.toxml()  # nested too deeply?
    except _MalformedError:
        raise
    except Exception as error:  # whatever is wrong with what somebody else wrote
        raise _MalformedError from error
    if len(document.getElementsByTagNameNS(_RDF, "RDF")) != 1:
        raise _MalformedError
    return document


def _rdf(document: minidom.Document) -> minidom.Element:
    found: minidom.Element = document.getElementsByTagNameNS(_RDF, "RDF")[0]
    return found


def _elements(parent: minidom.Element) -> Iterator[minidom.Element]:
    for node in parent.childNodes:
        if isinstance(node, minidom.Element):
            yield node


def _elements_of(parent: minidom.Element) -> list[minidom.Element]:
    return list(_elements(parent))


def _places(
    root: minidom.Element, namespace: str, name: str
) -> Iterator[tuple[minidom.Element | minidom.Attr, minidom.Element]]:
    """Find where a property is said, as an attribute or as an element; with the description that says it."""
    for description in _elements(root):
        attribute = description.getAttributeNodeNS(namespace, name)
        if attribute is not None:
            yield attribute, description
        for child in _elements(description):
            if (child.namespaceURI, child.localName) == (namespace, name):
                yield child, description


def _text(node: minidom.Element | minidom.Attr) -> str | None:
    """A property's simple value; None where it has a structure."""
    if isinstance(node, minidom.Attr):
        return node.value
    if any(_elements(node)):
        return None
    resource = node.getAttributeNS(_RDF, "resource")
    return resource or "".join(child.data for child in node.childNodes if isinstance(child, minidom.Text)).strip()


def _set_text(node: minidom.Element | minidom.Attr, text: str) -> None:
    if isinstance(node, minidom.Attr):
        node.value = text
        return
    for child in list(node.childNodes):
        node.removeChild(child)
    assert node.ownerDocument is not None
    node.appendChild(node.ownerDocument.createTextNode(text))


def _remove(node: minidom.Element | minidom.Attr, description: minidom.Element) -> None:
    if isinstance(node, minidom.Attr):
        description.removeAttributeNode(node)
    else:
        description.removeChild(node)


def _add(
    document: minidom.Document, root: minidom.Element, said: Sequence[tuple[str, str, str | Sequence[str]]]
) -> None:
    """Say something in a description of its own, and nowhere else."""
    if not said:
        return
    subject = next((node.getAttributeNS(_RDF, "about") for node in _elements(root)), "")
    prefix = root.prefix or "rdf"
    description = document.createElementNS(_RDF, f"{prefix}:Description")
    description.setAttributeNS(_RDF, f"{prefix}:about", subject)
    if root.prefix is None:  # the namespace is the default one, which attributes do not have
        description.setAttributeNS(_XMLNS, "xmlns:rdf", _RDF)
    for namespace, name, value in said:
        for node, other in list(_places(root, namespace, name)):
            _remove(node, other)
        short = _PREFIXES[namespace]
        description.setAttributeNS(_XMLNS, f"xmlns:{short}", namespace)
        if isinstance(value, str):
            description.setAttributeNS(namespace, f"{short}:{name}", _ILLEGAL.sub("\ufffd", value))
            continue
        bag = document.createElementNS(_RDF, f"{prefix}:Bag")
        for line in value:
            item = document.createElementNS(_RDF, f"{prefix}:li")
            item.appendChild(document.createTextNode(_ILLEGAL.sub("\ufffd", line)))
            bag.appendChild(item)
        listed = document.createElementNS(namespace, f"{short}:{name}")
        listed.appendChild(bag)
        description.appendChild(listed)
    for node in list(_elements(root)):  # an older one of zoo's, of which nothing is left
        attributes = [attribute.namespaceURI for attribute in node.attributes.values()]
        if (
            NAMESPACE in [node.getAttribute("xmlns:zoo")]
            and set(attributes) <= {_XMLNS, _RDF}
            and not any(_elements(node))
        ):
            root.removeChild(node)
    root.appendChild(description)


def _carry_prefixes(node: minidom.Node) -> None:
    """Declare at a node the prefixes that its parents declare, before it goes elsewhere."""
    if not isinstance(node, minidom.Element):
        return
    parent = node.parentNode
    while isinstance(parent, minidom.Element):
        for attribute in parent.attributes.values():
            if attribute.namespaceURI == _XMLNS and not node.hasAttribute(attribute.name):
                node.setAttributeNS(_XMLNS, attribute.name, attribute.value)
        parent = parent.parentNode


def _packet(document: minidom.Document) -> bytes:
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        + _serialized(document)
        + b'\n<?xpacket end="w"?>'
    )


def _serialized(document: minidom.Document) -> bytes:
    """Write XML so that it is read as it was: what readers take for a space, or for a line feed, is escaped."""
    assert document.documentElement is not None
    pending: list[minidom.Node] = [document.documentElement]
    while pending:
        node = pending.pop()
        if isinstance(node, minidom.Element):
            for attribute in node.attributes.values():
                attribute.value = attribute.value.translate(_STAND_INS)
            pending += node.childNodes
        elif isinstance(node, minidom.Text) and not isinstance(node, minidom.CDATASection):
            node.data = node.data.replace("\r", _STAND_INS[ord("\r")])
    text = document.documentElement.toxml()
    for code, stand_in in _STAND_INS.items():
        text = text.replace(stand_in, f"&#{code};")
    return text.encode()


def _legible(packet: bytes) -> str:
    """What is no XML, as text: as it is where that can be said in XML, and otherwise in base 64."""
    try:
        text = packet.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return text if text and not _ILLEGAL.search(text) else "base64:" + base64.b64encode(packet).decode()

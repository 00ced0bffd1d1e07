"""What kind of file some bytes are: the formats that photographs are read from, and others that
people take for them."""

from __future__ import annotations

import re


class Unreadable(Exception):
    """A file that is no image, is truncated, or is too large; the message is the reason."""


FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
"""Pillow's names of the formats that are read; nothing else is ever tried. JPEG stands for MPO as
well, PPM for PBM, PGM and PFM."""
HEAD = 1024
"""Bytes that tell a kind."""

_TIFF = rb"II\*\0|MM\0\*|II\+\0|MM\0\+"
_BEGINNINGS = {
    "a camera's raw file": rb"(II\*\0.{4}CR|II\x1a\0\0\0HEAPCCDR|IIRO|IIRS|MMOR|IIU\0|FUJIFILMCCD-RAW|FOVb|.{4}ftypcrx "
    rb")",
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF.{4}WEBP",
    "TIFF": _TIFF,
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{12}[\x0c-\x80]\0\0\0",
    "PPM": rb"P([1-6y]|0CMYK|yP|yRGBA|yCMYK|[Ff])\s",
    "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "AVIF": rb".{4}ftyp(avi[fs]|m[is][fs]1.{4}(.{4})*?avi[fs])",
    "a HEIC picture": rb".{4}ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)",
    "a JPEG XL picture": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    "an EPS or PostScript file": rb"%!PS|\xc5\xd0\xd3\xc6|\x04%!PS",
    "a PDF file": rb"%PDF-",
    "a Photoshop file": rb"8BPS",
    "an OpenEXR picture": rb"v/1\x01",
    "a Radiance HDR picture": rb"#\?R(ADIANC|GB)E",
    "an icon": rb"\x00\x00[\x01\x02]\x00[^\x00]\x00|icns",
    "a video": rb".{4}ftyp|RIFF.{4}AVI |\x1a\x45\xdf\xa3",
    "a gzip file": rb"\x1f\x8b",
    "a zip file": rb"PK[\x03\x05]",
    "a tar archive": rb".{257}ustar",
    "a Git LFS pointer (`git lfs pull` brings the file itself)": rb"version "
    rb"https://git-lfs\.github\.com/spec/",
    "an SVG drawing": rb"\s*(<\?xml.*?)?(<!--.*?-->\s*)?(<!DOCTYPE svg.*?)?<svg",
    "an HTML page": rb"\s*(<\?xml.*?)?(<!--.*?-->\s*)?<(!doctype html|html|head|body)",
    "an XML file": rb"\s*<\?xml",
    "what macOS keeps beside a file (AppleDouble)": rb"\x00\x05\x16\x07",
}
_PATTERNS = {
    kind: re.compile(
        rb"(?:\xef\xbb\xbf)?(?:" + begins + rb")",
        re.DOTALL | re.IGNORECASE if b"<" in begins else re.DOTALL,
    )
    for kind, begins in _BEGINNINGS.items()
}


def kind_of(head: bytes) -> str:
    """What a file is, by its first bytes (`HEAD` are enough): one of `FORMATS`, words for what
    isn't read, or nothing where it isn't known.

    >>> kind_of(b"GIF89a"), kind_of(b"%!PS-Adobe-3.0 EPSF-3.0"), kind_of(b"a list of photographs")
    ('GIF', 'an EPS or PostScript file', '')
    """
    if not head:
        return "an empty file"
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(head[:HEAD])), "")


def refusal(data: bytes) -> str:
    """Why no decoder takes some bytes for a picture of its format."""
    kind = kind_of(data[:HEAD])
    if kind == "TIFF":
        return _tiff(data)
    if kind in FORMATS:
        return f"a damaged {kind} file"
    if not kind:
        return "not an image"
    return kind if kind == "an empty file" else f"{kind}, which is not read"


def _tiff(data: bytes) -> str:
    """What the first picture of a TIFF holds that Pillow doesn't read."""
    import io

    from PIL import TiffImagePlugin

    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
        stream = io.BytesIO(data)
        stream.seek(directory.next)
        directory.load(stream)
        bits = directory.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        kinds = {
            1: "unsigned integers",
            2: "signed integers",
            3: "floats",
            5: "complex integers",
            6: "complex floats",
        }
        kind = kinds.get(
            directory.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0], "values of no known kind"
        )
    except Exception:  # noqa: BLE001 - anything may be wrong with a stranger's file
        return "a damaged TIFF file"
    each = f"{len(bits)} channels of " if len(bits) > 1 else ""
    return f"a TIFF of {each}{bits[0]}-bit {kind}, which is not read"

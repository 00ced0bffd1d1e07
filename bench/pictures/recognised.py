"""Which files are photographs: by the suffix, and by the first bytes where that says nothing."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable
from pathlib import PurePosixPath

SUFFIXES = frozenset(
    {
        ".avif",
        ".avifs",
        ".bmp",
        ".dib",
        ".gif",
        ".jfi",
        ".jfif",
        ".jif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".j2c",
        ".j2k",
        ".jp2",
        ".jpc",
        ".jpf",
        ".jpx",
        ".mpo",
        ".apng",
        ".png",
        ".pbm",
        ".pgm",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Of photographs, which decoding accepts or refuses (`bench.pictures.images`)."""
UNREAD = frozenset(
    {
        ".3fr",
        ".ai",
        ".arw",
        ".blp",
        ".cr2",
        ".cr3",
        ".cur",
        ".dcm",
        ".dcr",
        ".dcx",
        ".dds",
        ".dng",
        ".emf",
        ".eps",
        ".erf",
        ".exr",
        ".fit",
        ".fits",
        ".fli",
        ".hdr",
        ".heic",
        ".heics",
        ".heif",
        ".heifs",
        ".hif",
        ".icns",
        ".ico",
        ".iiq",
        ".jls",
        ".jng",
        ".jpm",
        ".jxl",
        ".jxr",
        ".kdc",
        ".mef",
        ".mng",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pam",
        ".pcd",
        ".pcx",
        ".pdf",
        ".pef",
        ".pfm",
        ".psb",
        ".psd",
        ".qoi",
        ".raf",
        ".ras",
        ".raw",
        ".rw2",
        ".rwl",
        ".sgi",
        ".sr2",
        ".srf",
        ".srw",
        ".svg",
        ".svgz",
        ".tga",
        ".wdp",
        ".wmf",
        ".x3f",
        ".xbm",
        ".xcf",
        ".xpm",
    }
)
"""Of pictures that are not read: people may take them for photographs."""
RAW = rb"II[*+]\0|MM\0[*+]"
"""How TIFF begins, and so do raw files of many cameras."""
BEGINNING = re.compile(
    rb"BM.{4}\0{4}|GIF8[79]a|\xff\xd8\xff|\0\0\0\x0cjP  "
    rb"\r\n|\xffO\xffQ|\x89PNG\r\n\x1a\n|P[1-6]\s+[#\d]|"
    rb"RIFF.{4}WEBP|.{4}ftypavi[fs]|" + RAW,
    re.DOTALL,
)
HEAD = 16
"""Bytes that tell."""
PHOTOGRAPH, OTHER = "photograph", "other"
_KNOWN = mimetypes.MimeTypes(filenames=())


def sort(name: PurePosixPath, head: Callable[[], bytes]) -> str:
    """PHOTOGRAPH, OTHER, or why a picture is left out. `head` reads the first bytes of the file,
    which is done only where its suffix is none of a photograph, and none of text, a table, an
    archive, a film."""
    suffix = name.suffix.lower()
    if suffix in SUFFIXES:
        return PHOTOGRAPH
    unread = suffix in UNREAD
    if not unread and _KNOWN.guess_type(f"x{suffix}", strict=False)[0]:
        return OTHER
    begins = BEGINNING.match(head())
    if begins and not (unread and re.match(RAW, begins[0])):
        return PHOTOGRAPH
    return f"{suffix[1:]} is a format that is not read" if unread else OTHER


def may_be(name: PurePosixPath) -> bool:
    """Whether what has this name, and can't be looked at, may be a photograph, or a folder of them."""
    return name.suffix.lower() in SUFFIXES | UNREAD | {""}

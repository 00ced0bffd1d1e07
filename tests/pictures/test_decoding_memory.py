"""How much memory decoding takes: in children of their own, whatever a file says of itself."""

import io
import json
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from bench.pictures import formats, images

CHILD = """
import io, json, re, sys
from pathlib import Path
import numpy as np
from bench.machine import memory
from bench.pictures import images, profiles
from bench.protocol import make_paper
from PIL import Image
Image.init(), profiles.srgb()
def status(name): return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
stream = io.BytesIO(); Image.new("RGB", (9, 9)).save(stream, "PNG")
images.prepare(images.decode(stream.getvalue()).levels, make_paper(antialias=True))
data, claimed = Path(sys.argv[1]).read_bytes(), []
images.claim = claimed.append
Path("/proc/self/clear_refs").write_text("5")  # the most so far is no longer that of the parent, which a child inherits
before = status("VmRSS")
try:
    levels = images.decode(data, reduce=True).levels
    images.prepare(levels, make_paper(antialias=True))
    said = list(levels.shape)
except images.Unreadable as error:
    said = str(error)
print(json.dumps([said, status("VmHWM") - before, sum(claimed)]))
"""
MIB = 2**20
SLACK = 40 * MIB
"""What the allocator and the libraries keep."""


@pytest.fixture
def measured(tmp_path):
    """What became of a file's bytes in a process of its own, the most memory that it took, and what
    was claimed for it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")

    def call(data):
        (tmp_path / "file").write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, tmp_path / "file"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return json.loads(done.stdout)

    return call


def encode(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def zeros(count):
    """As many zeros, compressed; made in pieces."""
    packer, made = zlib.compressobj(9), b""
    block = bytes(2**24)
    for start in range(0, count, len(block)):
        made += packer.compress(block[: count - start])
    return made + packer.flush()


def png(width, height, colour=2, depth=8, interlaced=False, extra=b"", body=None):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rows = height * (1 + interlaced + (width * channels * depth + 7) // 8)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    content = chunk(b"IDAT", zeros(rows) if body is None else body)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + content + chunk(b"IEND", b"")


def tiff(values, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def resized(data, width, height):
    """A JPEG whose header says another size."""
    place = next(i for i in range(2, len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC2))
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


BLOCKS = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
SCENE = Image.fromarray(BLOCKS).resize((4000, 3000), Image.Resampling.BICUBIC)
WIDE = np.asarray(SCENE).astype(np.uint16) * 257
ORDINARY = {
    "PNG": lambda: encode(SCENE, "PNG", compress_level=1),
    "PNG with alpha": lambda: encode(SCENE.convert("RGBA"), "PNG", compress_level=1),
    "interlaced PNG": lambda: png(4000, 3000, interlaced=True),
    "grey PNG": lambda: encode(SCENE.convert("L"), "PNG", compress_level=1),
    "PNG of 16 bits": lambda: encode(Image.fromarray(WIDE[..., 0]), "PNG", compress_level=1),
    "JPEG": lambda: encode(SCENE, "JPEG", quality=90),
    "progressive JPEG": lambda: encode(SCENE, "JPEG", progressive=True, subsampling=0),
    "CMYK JPEG": lambda: encode(SCENE.convert("CMYK"), "JPEG", progressive=True),
    "GIF": lambda: encode(SCENE.convert("P"), "GIF"),
    "WEBP": lambda: encode(SCENE, "WEBP", method=0),
    "lossless WEBP": lambda: encode(SCENE, "WEBP", lossless=True, quality=0, method=0),
    "AVIF": lambda: encode(SCENE, "AVIF", speed=10, subsampling="4:4:4"),
    "JPEG 2000": lambda: encode(SCENE, "JPEG2000"),
    "BMP": lambda: encode(SCENE, "BMP"),
    "PPM": lambda: encode(SCENE, "PPM"),
    "strips": lambda: encode(SCENE, "TIFF", compression="tiff_lzw"),
    "one strip": lambda: tiff(
        np.asarray(SCENE), compression="zlib", rowsperstrip=3000, photometric="rgb"
    ),
    "one tile": lambda: tiff(
        np.asarray(SCENE), compression="zlib", tile=(3008, 4000), photometric="rgb"
    ),
    "tiles": lambda: tiff(
        np.asarray(SCENE), compression="zlib", tile=(256, 256), photometric="rgb"
    ),
    "TIFF of 16 bits": lambda: tiff(WIDE, compression="zlib", rowsperstrip=3000, photometric="rgb"),
    "planes": lambda: tiff(
        np.moveaxis(np.asarray(SCENE), -1, 0).copy(),
        compression="zlib",
        photometric="rgb",
        planarconfig="separate",
    ),
    "floats": lambda: tiff(
        WIDE[..., 0].astype(np.float32) / 65535, compression="zlib", rowsperstrip=3000
    ),
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_a_photograph_takes_no_more_than_was_claimed_for_it(measured, kind):
    said, taken, claimed = measured(ORDINARY[kind]())
    assert said == [3000, 4000, 3]
    assert taken <= claimed + SLACK
    assert claimed <= 25 * 12_000_000 + 60 * MIB


def avif(content):
    """An AVIF with EXIF, which Pillow writes without looking at it where there is no more to say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return encode(SCENE.resize((32, 24)), "AVIF", exif=b"Exif\0\0" + content)


def exif(entries):
    """EXIF in which every entry is the whole block."""
    size = 8 + 2 + 12 * entries + 4
    body = b"".join(struct.pack("<HHII", 0x8000 + i, 7, size, 0) for i in range(entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + body + bytes(4)


def segments(content, marker=b"\xff\xe1", name=b"Exif\0\0"):
    """Pieces of a JPEG that together hold more than one may."""
    pieces = [content[i : i + 65000] for i in range(0, len(content), 65000)]
    return b"".join(
        marker + struct.pack(">H", 2 + len(name) + len(piece)) + name + piece for piece in pieces
    )


def jp2_that_says_little():
    """The box says 16x16, what is inside 60,000x60,000."""
    made = bytearray(encode(SCENE.resize((16, 16)), "JPEG2000"))
    place = made.index(b"\xff\x51") + 6
    made[place : place + 8] = made[place + 16 : place + 24] = struct.pack(">II", 60000, 60000)
    return bytes(made)


def bmp(width, height, bits, compression):
    return b"BM" + struct.pack(
        "<IHHIIiiHHIIiiII", 10**6, 0, 0, 54, 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0
    )


def huge_tile():
    """A TIFF of 16x16 pixels in a tile of 60,000x60,000."""
    made = tiff(
        np.zeros((16, 16, 3), np.uint8), photometric="rgb", compression="zlib", tile=(16, 16)
    )
    for tag in (0x142, 0x143):
        place = max(made.find(struct.pack("<HH", tag, kind)) for kind in (3, 4))
        made = made[:place] + struct.pack("<HHII", tag, 4, 1, 60000) + made[place + 12 :]
    return made


def frames(count):
    one = Image.new("P", (1000, 1000))
    return encode(
        one,
        "GIF",
        save_all=True,
        append_images=[Image.new("P", (1000, 1000), i % 200 + 1) for i in range(count)],
    )


SMALL = encode(SCENE.resize((32, 24)), "JPEG")
TINY = {
    "22,000 pixels square": lambda: png(22000, 22000, 0, 1),
    "the same, interlaced": lambda: png(22000, 22000, 0, 1, interlaced=True),
    "two billion": lambda: png(2**31 - 1, 2**31 - 1, 6, 16, body=b""),
    "a long row": lambda: png(2**28, 1, 0, body=b""),
    "a long column": lambda: png(1, 2**28, 0, body=b""),
    "BMP": lambda: bmp(30000, 30000, 24, 0),
    "BMP upside down": lambda: bmp(2**31 - 1, -(2**31), 24, 0),
    "BMP of runs": lambda: bmp(11000, 11000, 8, 1) + bytes(2000),
    "PPM": lambda: b"P6 60000 60000 255\n",
    "PGM in words": lambda: b"P2 14000 14000 255\n" + b"1 " * 9999,
    "JPEG": lambda: resized(SMALL, 65500, 65500),
    "progressive JPEG": lambda: resized(
        encode(SCENE.resize((32, 24)), "JPEG", progressive=True), 65500, 65500
    ),
    "tile larger than its picture": huge_tile,
    "JPEG 2000": jp2_that_says_little,
    "profile of 200 MB": lambda: png(9, 9, extra=chunk(b"iCCP", b"x\0\0" + zeros(200 * MIB))),
    "text of 200 MB": lambda: png(9, 9, extra=chunk(b"zTXt", b"x\0\0" + zeros(200 * MIB))),
    "more text of 200 MB": lambda: png(
        9, 9, extra=chunk(b"iTXt", b"x\0\1\0\0\0" + zeros(200 * MIB))
    ),
    "texts of 200 MB together": lambda: png(
        9, 9, extra=chunk(b"zTXt", b"x\0\0" + zeros(MIB - 9)) * 500
    ),
    "EXIF of a PNG": lambda: png(9, 9, extra=chunk(b"eXIf", exif(20000))),
    "EXIF of a JPEG": lambda: SMALL[:2] + segments(exif(20000)) + SMALL[2:],
    "TIFF": lambda: exif(30000),
    "EXIF of a WEBP": lambda: encode(SCENE.resize((32, 24)), "WEBP", exif=exif(20000)),
    "EXIF of an AVIF": lambda: avif(exif(2000)),
    "300 frames": lambda: frames(300),
    "rows beyond its end": lambda: png(9, 9, body=zeros(2**29)),
    "16,383 pixels of WEBP": lambda: encode(
        Image.new("RGB", (16, 16)), "WEBP", lossless=True
    ).replace(
        b"\x2f\x0f\xc0\x03", struct.pack("<I", 0x2F | (16382 << 8) | (16382 << 22 & 0xFFFFFFFF))
    ),
}


@pytest.mark.parametrize("kind", TINY)
def test_a_small_file_takes_little_whatever_it_says(measured, kind):
    data = TINY[kind]()
    assert len(data) < 8 * MIB
    said, taken, _ = measured(data)
    assert taken < (500 if kind == "JPEG" else 300) * MIB, said  # that one is read at an eighth


LARGE = {
    "PNG": lambda: png(12000, 12000),
    "grey PNG": lambda: png(15000, 15000, 0),
    "16 bits": lambda: png(9500, 9500, 2, 16),
    "JPEG": lambda: encode(SCENE.resize((12000, 12000)), "JPEG"),
    "half of a JPEG": lambda: encode(SCENE.resize((16000, 16000)), "JPEG"),
    "progressive JPEG": lambda: encode(
        SCENE.resize((10000, 10000)), "JPEG", progressive=True, subsampling=0
    ),
    "one strip": lambda: tiff(
        np.zeros((9000, 9000, 3), np.uint8),
        compression="zlib",
        rowsperstrip=9000,
        photometric="rgb",
    ),
    "floats": lambda: tiff(
        np.zeros((10000, 8000), np.float32), compression="zlib", rowsperstrip=10000
    ),
    "WEBP": lambda: encode(
        Image.new("RGB", (7500, 7500)), "WEBP", lossless=True, method=0, quality=0
    ),
    "AVIF": lambda: encode(Image.new("RGB", (7500, 7500)), "AVIF", speed=10),
    "JPEG 2000": lambda: encode(Image.new("RGB", (6800, 6800)), "JPEG2000"),
    "a tall one": lambda: png(1000, 130_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
def test_the_largest_photographs_of_each_kind_stay_within_a_gibibyte(measured, kind):
    said, taken, claimed = measured(LARGE[kind]())
    assert not isinstance(said, str), said
    assert taken <= min(claimed + SLACK, images.MOST + SLACK)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP", "WEBP"])
def test_what_is_too_large_is_refused_by_its_size(monkeypatch, kind):
    monkeypatch.setattr(images, "STRIP", 1)
    data = encode(Image.new("RGB", (64, 48)), kind)
    with pytest.raises(images.Unreadable, match=r"64x48 pixels need .* GiB of memory, more than "):
        images.decode(data, most=64 * 48 * 4)
    assert images.decode(data, most=64 * 48 * 22 + len(data)).levels.shape == (48, 64, 3)


def test_a_large_jpeg_is_read_reduced_where_that_may_be(monkeypatch):
    data = encode(SCENE, "JPEG", quality=95)
    whole = images.decode(data, reduce=True).levels
    assert whole.shape == (3000, 4000, 3)
    for scale in (2, 4, 8):
        most = len(data) + 7 * 12_000_000 / scale**2 + 48 * min(images.STRIP, 12_000_000 / scale**2)
        half = images.decode(data, most=most * 1.01, reduce=True).levels
        assert half.shape == (3000 // scale, 4000 // scale, 3)
        wanted = SCENE.reduce(scale)
        assert np.abs(half.astype(int) - np.asarray(wanted)).mean() < 2
    with pytest.raises(images.Unreadable, match="4000x3000"):
        images.decode(data, most=most)
    with pytest.raises(images.Unreadable, match="4000x3000"):
        images.decode(data, most=len(data) + MIB, reduce=True)


def test_heads_are_enough():
    assert all(
        formats.kind_of(ORDINARY[kind]()[: formats.HEAD]) in formats.FORMATS
        for kind in ("PNG", "JPEG", "tiles", "BMP")
    )

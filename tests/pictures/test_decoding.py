"""One decoding for all pictures: which formats are tried, what is said of the others, and what wide
numbers mean."""

import ast
import io
import re
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, ImageFile

import bench
from bench.pictures import formats, images

ROOT = Path(bench.__file__).resolve().parent.parent
SOURCES = ("bench", "methods", "metrics", "datasets", "reports", "examples", "benchmarks")
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 30 20\n%%EndComments\n(made) print\nshowpage\n%%EOF\n"


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def encode(pixels, kind, **options):
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(values, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def read(data):
    return images.decode(data).levels


def refused(data):
    with pytest.raises(images.Unreadable, match=r"\S") as caught:
        images.decode(data)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def openers(tree):
    """Lines of a module in which a file or bytes become a picture, other than by `images`."""
    known = {
        "PIL.Image.open",
        "PIL.ImageFile.Parser",
        "matplotlib.image.imread",
        "matplotlib.pyplot.imread",
        "skimage.io.imread",
        "imageio.imread",
        "imageio.v3.imread",
        "tifffile.imread",
        "cv2.imread",
        "torchvision.io.read_image",
    }
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(
                {
                    (a.asname or a.name.split(".")[0]): (
                        a.name if a.asname else a.name.split(".")[0]
                    )
                    for a in node.names
                }
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})

    def full(node):
        if isinstance(node, ast.Attribute):
            return f"{full(node.value)}.{node.attr}"
        return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and full(node) in known
    ]


def test_the_scan_for_openers_finds_them():
    for text in (
        "from PIL import Image\nImage.open(x)",
        "import PIL.Image\nPIL.Image.open(x)",
        "from PIL.Image import open as o\no(x)",
        "from PIL import Image as I\nf = I.open",
        "import matplotlib.pyplot as plt\nplt.imread(x)",
    ):
        assert openers(ast.parse(text)), text


def test_pictures_are_opened_in_one_place_and_with_a_list_of_formats():
    found = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "tests" not in path.relative_to(ROOT).parts and (
                lines := openers(ast.parse(path.read_text(encoding="utf-8")))
            ):
                found[path.relative_to(ROOT).as_posix()] = lines
    templates = list((ROOT / "bench/plugins/templates").rglob("*.tmpl"))
    assert templates
    assert not [path for path in templates if "Image.open" in path.read_text(encoding="utf-8")]
    ((name, lines),) = found.items()
    assert name == "bench/pictures/images.py"
    (line,) = lines
    assert "formats=FORMATS" in (ROOT / name).read_text(encoding="utf-8").splitlines()[line - 1]


def test_no_program_is_started_for_a_photograph(monkeypatch):
    started = []
    monkeypatch.setattr(
        EpsImagePlugin,
        "Ghostscript",
        lambda *given, **more: started.append(given) or Image.new("RGB", (2, 2)).im,
    )
    for method in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, method, lambda *given, **more: started.append(given))
    assert refused(EPS) == "an EPS or PostScript file, which is not read"
    assert started == []


DOCUMENTED = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "GIF": {},
    "BMP": {},
    "PPM": {},
    "JPEG2000": {},
    "AVIF": {},
    "MPO": {"save_all": True, "append_images": [Image.new("RGB", (30, 20))]},
}


@pytest.mark.parametrize("kind", DOCUMENTED)
def test_every_documented_format_is_read_and_recognised(kind):
    data = encode(Image.new("RGB", (30, 20), (200, 60, 90)), kind, **DOCUMENTED[kind])
    assert np.abs(read(data).astype(int) - (200, 60, 90)).max() <= 6
    assert read(data).shape == (20, 30, 3)
    assert images.kind_of(data[: formats.HEAD]) == ("JPEG" if kind == "MPO" else kind)


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "SGI", "DDS", "MSP", "ICNS", "QOI"])
def test_pillows_other_formats_are_not_tried(kind):
    picture = Image.new("1" if kind == "MSP" else "RGB", (32, 32))
    assert re.search("not an image|which is not read", refused(encode(picture, kind)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS pointer"),
        (b"<!DOCTYPE html>\n<html>404", "an HTML page"),
        (b"  <html><head>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "an SVG drawing"),
        (b"\xef\xbb\xbf<svg>", "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF file"),
        (b"\xc5\xd0\xd3\xc6" + bytes(40), "an EPS or PostScript file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "a HEIC picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"\x1f\x8b\x08\0", "a gzip file"),
        (b"PK\x03\x04", "a zip file"),
        (bytes(257) + b"ustar\0", "a tar archive"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera's raw file"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "a camera's raw file"),
        (b"\0\5\x16\7\0\2\0\0", "AppleDouble"),
        (b"v/1\x01\2", "an OpenEXR picture"),
        (b"photographs of mine", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "a damaged PNG file"),
        (b"II*\0\xff\xff\xff\x7f", "TIFF"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(data, said):
    assert said in refused(data)


ERRORS = [
    RuntimeError("deep inside"),
    ZeroDivisionError("division by zero"),
    IndexError("list index"),
    OverflowError("too large"),
    KeyError(3),
    MemoryError(),
    AttributeError("None"),
    RecursionError("depth"),
    NotImplementedError(),
    AssertionError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    Image.DecompressionBombError("bomb"),
    SyntaxError("not a TIFF"),
    EOFError(),
    ValueError("two\nlines"),
    struct.error("unpack requires a buffer"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["open", "load", "getexif"])
def test_whatever_a_decoder_raises_is_one_photographs_matter(monkeypatch, error, place):
    def fail(*given, **more):
        raise error

    if place == "open":
        monkeypatch.setattr(Image, "open", fail)
    else:
        monkeypatch.setattr(ImageFile.ImageFile if place == "load" else Image.Image, place, fail)
    data = encode(noise(8, 9, 3), "PNG")
    if place == "getexif":  # rotation is no reason to lose a photograph
        assert read(data).shape == (8, 9, 3)
    else:
        assert refused(data)


def test_an_interrupt_is_not_a_photographs_matter(monkeypatch):
    def fail(*given, **more):
        raise KeyboardInterrupt("Ctrl-C")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        images.decode(encode(noise(8, 9, 3), "PNG"))


VALID = [encode(noise(24, 32, 3), kind, **(DOCUMENTED[kind])) for kind in DOCUMENTED] + [
    tiff(noise(24, 32, 3), bigtiff=True, photometric="rgb"),
    tiff(noise(24, 32).astype(np.float32) / 255),
    encode(noise(24, 32), "PNG"),
    encode(noise(24, 32, 3), "JPEG", progressive=True),
    encode(Image.fromarray(noise(24, 32, 3)).quantize(16), "PNG", transparency=3),
    encode(noise(24, 32, 3), "TIFF", compression="tiff_lzw"),
]
HOW = ["set", "cut", "repeat"]
MUTATION = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 255), st.sampled_from(HOW)),
    min_size=1,
    max_size=6,
)


def mutated(data, changes):
    made = bytearray(data)
    for place, byte, how in changes:
        at = place % max(1, len(made))
        if how == "set" and made:
            made[at] = byte
        elif how == "cut":
            del made[at : at + byte]
        else:
            made[at:at] = made[at : at + byte]
    return bytes(made)


def outcome(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            levels = images.decode(data).levels
        except images.Unreadable as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
            return str(error)
    assert (levels.dtype, levels.ndim, levels.shape[2]) == (np.uint8, 3, 3)
    return levels


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(VALID), MUTATION)
@example(VALID[3], [(0, 77, "set")])
def test_a_damaged_file_of_any_format_is_read_or_refused(data, changes):
    outcome(mutated(data, changes))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(VALID)))
def test_two_thousand_damaged_files_of_each_format(number):
    rng = np.random.default_rng(number)
    for _ in range(2000):
        changes = [
            (int(rng.integers(2000)), int(rng.integers(256)), str(rng.choice(HOW)))
            for _ in range(rng.integers(1, 6))
        ]
        outcome(mutated(VALID[number], changes))


RAMP = np.linspace(0, 1, 64)[None].repeat(8, 0)


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_floats_are_read_by_the_range_that_they_fill(top):
    found = read(tiff((RAMP * top).astype(np.float32)))
    assert np.abs(found[..., 0] - 255 * RAMP).max() <= 0.51


def test_dark_floats_up_to_one_stay_dark():
    assert np.abs(read(tiff((RAMP * 0.2).astype(np.float32)))[..., 0] - 51 * RAMP).max() <= 0.51
    assert read(tiff(np.zeros((9, 9), np.float32))).max() == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (RAMP * 1.7, "32-bit floats from 0 to 1.7: it isn't clear"),
        (RAMP * 40, "from 0 to 40"),
        (RAMP * 1e6, "from 0 to 1e.06"),
        (RAMP - 0.5, "from -0.5 to 0.5"),
        (np.where(RAMP > 0.5, np.nan, RAMP), "32-bit floats with NaN or infinity"),
        (np.where(RAMP > 0.5, np.inf, RAMP), "NaN or infinity"),
    ],
)
def test_floats_that_mean_nothing_clear_are_refused_by_name(values, said, recwarn):
    assert re.search(said, refused(tiff(values.astype(np.float32))))
    assert list(recwarn) == []


@pytest.mark.parametrize(
    ("kind", "top"),
    [
        ("int32", 2**31 - 1),
        ("uint32", 2**32 - 1),
        ("int32", 255),
        ("uint32", 65535),
        ("uint16", 65535),
        ("int16", 32767),
        ("int16", 255),
    ],
)
def test_integers_are_read_by_the_range_that_they_fill(kind, top):
    found = read(tiff((RAMP * top).astype(kind)))
    assert np.abs(found[..., 0] - 255 * RAMP).max() <= 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((RAMP * 3000).astype(np.int32), "32-bit integers from 0 to 3000"),
        ((RAMP * 300 - 20).astype(np.int16), "16-bit integers from -20 to 280"),
    ],
)
def test_integers_that_mean_nothing_clear_are_refused_by_name(values, said):
    assert said in refused(tiff(values))


def test_sixteen_bits_are_what_they_say_however_dark():
    dark = (RAMP * 4095).astype(np.uint16)
    for data in (
        tiff(dark),
        encode(Image.fromarray(dark), "PNG"),
        encode(Image.fromarray(dark), "TIFF"),
    ):
        assert np.abs(read(data)[..., 0] - dark / 257).max() <= 0.51


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_a_tiff_in_which_zero_is_white(kind):
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    found = read(tiff((RAMP * top).astype(kind), photometric="miniswhite"))
    assert np.abs(found[..., 0].astype(float) - 255 * (1 - RAMP)).max() <= 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            np.stack([RAMP] * 3, -1).astype(np.float32),
            "a TIFF of 3 channels of 32-bit floats, which is not read",
        ),
        (RAMP.astype(np.float16), "a TIFF of 16-bit floats"),
        (RAMP.astype(np.float64), "a TIFF of 64-bit floats"),
        (
            np.stack([RAMP] * 3, -1).astype(np.int16),
            "a TIFF of 3 channels of 16-bit signed integers",
        ),
    ],
)
def test_numbers_that_pillow_does_not_read_are_named(values, said):
    assert refused(tiff(values, photometric="rgb" if values.ndim == 3 else None)).startswith(said)


def test_sixteen_bit_grey_with_a_transparent_level_is_laid_on_white():
    levels = np.array([[0, 30000, 65535]], np.uint16)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG", transparency=30000)
    assert read(stream.getvalue())[0, :, 0].tolist() == [0, 255, 255]


def test_a_raw_file_is_not_taken_for_its_preview():
    preview = encode(noise(12, 16, 3), "TIFF", tiffinfo={0xFE: 1})
    assert "preview" in refused(preview)
    assert "raw" in refused(encode(noise(12, 16, 3), "TIFF", tiffinfo={0xC612: b"\1\4\0\0"}))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP", "AVIF"])
def test_of_several_pictures_the_first_is_read(kind):
    first, second = (
        Image.new("RGB", (30, 20), colour) for colour in ((200, 60, 90), (10, 200, 20))
    )
    data = encode(first, kind, save_all=True, append_images=[second])
    assert np.abs(read(data).astype(int) - (200, 60, 90)).max() <= 6


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            tiff(np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32)),
            "32-bit floats with NaN or infinity",
        ),
        (
            encode(noise(12, 16, 3), "TIFF").replace(
                b"\x15\1\3\0\1\0\0\0\3", b"\x15\1\3\0\1\0\0\0\x63"
            ),
            "a TIFF of",
        ),
    ],
    ids=["NaN", "samples"],
)
def test_nothing_else_reaches_the_terminal(tmp_path, data, said):
    (tmp_path / "broken.tif").write_bytes(data)
    code = (
        "from pathlib import Path; from bench.pictures import images\n"
        "try: images.decode(Path('broken.tif').read_bytes())\nexcept images.Unreadable as error: "
        "print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stdout
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")

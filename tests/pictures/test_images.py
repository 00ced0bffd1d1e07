"""Decoding every kind of file to upright RGB, and preparing it as the protocol says."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.color
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import map_coordinates

from bench.colour import picture, pictures, rgb_to_lab, rgb_to_lightness
from bench.pictures import images
from bench.protocol import make_paper, make_square

PAPER, SQUARE = make_paper(antialias=False), make_square(antialias=True)
ORIENTATION = 0x0112


def noise(*shape, top=256, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, top, shape).astype(dtype)


def encode(pixels, kind, **options):
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png16(pixels):
    """A 16-bit PNG, grey or RGB, written by hand: Pillow can't write 16-bit RGB."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    colour = 2 if pixels.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def decoded(data):
    levels = images.decode(data).levels
    assert (levels.dtype, levels.shape[2:]) == (np.uint8, (3,))
    return levels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_lossless_file_gives_its_pixels(kind):
    pixels = noise(9, 7, 3)
    assert np.array_equal(decoded(encode(pixels, kind)), pixels)


@pytest.mark.parametrize(("mode", "tolerance"), [("RGB", 4), ("CMYK", 6), ("L", 2)])
def test_a_jpeg_of_any_mode_becomes_rgb(mode, tolerance):
    source = Image.new("RGB", (32, 24), (200, 60, 90)).convert(mode)
    got = decoded(encode(source, "JPEG", quality=95))
    assert got.shape == (24, 32, 3)
    assert np.abs(got.astype(int) - np.asarray(source.convert("RGB"))).max() <= tolerance


def test_alpha_is_laid_on_white():
    pixels = noise(5, 6, 4)
    alpha = pixels[..., 3:] / 255
    wanted = pixels[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(decoded(encode(pixels, "PNG")) - wanted).max() <= 1


def test_grey_with_alpha_is_laid_on_white():
    got = decoded(encode(np.array([[[10, 255], [10, 0]]], np.uint8), "PNG"))
    assert got.tolist() == [[[10, 10, 10], [255, 255, 255]]]


@pytest.fixture
def palette():
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255])
    image.putdata([0, 1, 2])
    return image


def test_a_palette_is_looked_up(palette):
    assert decoded(encode(palette, "PNG")).tolist() == [[[10, 20, 30], [200, 100, 50], [0, 0, 255]]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(palette, kind):
    assert decoded(encode(palette, kind, transparency=1)).tolist() == [
        [[10, 20, 30], [255, 255, 255], [0, 0, 255]]
    ]


def test_half_transparent_palette_entries_blend_with_white(palette):
    got = decoded(encode(palette, "PNG", transparency=bytes([255, 128, 0])))
    assert np.abs(got - np.array([[[10, 20, 30], [227, 177, 152], [255, 255, 255]]])).max() <= 1


def test_one_bit_becomes_black_and_white():
    bits = Image.fromarray(noise(4, 5, top=2).astype(bool))
    assert np.array_equal(decoded(encode(bits, "PNG"))[..., 0], np.asarray(bits) * 255)


def test_16_bit_grey_keeps_its_brightness():
    pixels = noise(6, 5, top=65536, dtype=np.uint16)
    got = decoded(png16(pixels))
    assert np.abs(got - pixels[..., None] / 257).max() <= 0.51
    assert np.array_equal(got, decoded(encode(Image.fromarray(pixels), "PNG")))


def test_16_bit_rgb_keeps_its_colour():
    pixels = noise(6, 5, 3, top=65536, dtype=np.uint16)
    assert np.abs(decoded(png16(pixels)) - pixels / 257).max() <= 1


def test_a_dark_16_bit_grey_stays_dark():
    assert decoded(png16(np.full((4, 4), 200, np.uint16))).max() <= 1


UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation):
    pixels, exif = noise(4, 7, 3), Image.Exif()
    exif[ORIENTATION] = orientation
    assert np.array_equal(decoded(encode(pixels, "PNG", exif=exif)), UPRIGHT[orientation](pixels))


def jpeg_with_exif(*entries):
    """A 30x20 JPEG whose EXIF holds raw entries (tag, type, count, four bytes)."""
    directory = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    tiff = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 0)
    return encode(Image.new("RGB", (30, 20), "red"), "JPEG", exif=b"Exif\0\0" + tiff)


UPSIDE = (ORIENTATION, 3, 1, b"\6\0\0\0")


def test_hand_made_exif_is_understood():
    assert images.decode(jpeg_with_exif(UPSIDE)).levels.shape == (30, 20, 3)


@pytest.mark.parametrize(
    "odd",
    [(0x0100, 11, 1, struct.pack("<f", 1.5)), (0x011A, 2, 4, b"abc\0")],
    ids=["width", "resolution"],
)
def test_odd_exif_is_no_reason_to_stop(odd):
    try:
        assert images.decode(jpeg_with_exif(odd, UPSIDE)).levels.shape in {(20, 30, 3), (30, 20, 3)}
    except images.Unreadable as reason:
        assert len(str(reason).splitlines()) == 1  # noqa: PT017


BYTES = st.integers(0, 255)
JPEG = encode(noise(64, 64, 3), "JPEG")
PNG = encode(noise(64, 64, 3), "PNG")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"just some text in a file named .jpg\n" * 9, "not an image"),
        (b"", "an empty file"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (PNG[: len(PNG) // 2], "truncated"),
        (JPEG[:20], None),
        (PNG[:30], "a damaged PNG file"),
    ],
    ids=["text", "empty", "half-jpeg", "half-png", "head-of-jpeg", "head-of-png"],
)
def test_what_is_no_whole_image_is_unreadable_for_a_one_line_reason(data, says):
    with pytest.raises(images.Unreadable, match=says) as caught:
        images.decode(data)
    assert len(str(caught.value).splitlines()) == 1


@settings(max_examples=60, deadline=None)
@given(
    data=st.sampled_from([JPEG, PNG]),
    flips=st.lists(st.tuples(st.integers(0, 700), BYTES), max_size=4),
)
def test_a_damaged_file_is_an_image_or_unreadable(data, flips):
    damaged = bytearray(data)
    for position, byte in flips:
        damaged[position] = byte
    try:
        outcome = images.decode(bytes(damaged)).levels.shape[2]
    except images.Unreadable as reason:
        outcome = len(str(reason).splitlines())
    assert outcome in (3, 1)


def test_warnings_are_as_before_when_several_threads_have_decoded():
    before, odd = list(warnings.filters), jpeg_with_exif(UPSIDE)
    with ThreadPoolExecutor(4) as pool:
        assert {image.levels.shape for image in pool.map(images.decode, [odd] * 200)} == {
            (30, 20, 3)
        }
    assert list(warnings.filters) == before


def reference_resize(pixels, size):
    """Bilinear with half-pixel centres and repeated edges, one output value at a time."""
    height, width, _ = pixels.shape
    out = np.empty((size, size, pixels.shape[2]))
    for i in range(size):
        for j in range(size):
            y = min(max((i + 0.5) * height / size - 0.5, 0), height - 1)
            x = min(max((j + 0.5) * width / size - 0.5, 0), width - 1)
            top, left = int(y), int(x)
            down, right = min(top + 1, height - 1), min(left + 1, width - 1)
            out[i, j] = (1 - y + top) * (
                (1 - x + left) * pixels[top, left] + (x - left) * pixels[top, right]
            ) + (y - top) * ((1 - x + left) * pixels[down, left] + (x - left) * pixels[down, right])
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12))
def test_plain_resize_agrees_with_a_loop(height, width, size):
    levels = noise(height, width, 3)
    pixels = levels / np.float32(255)
    assert (
        np.abs(images.resize(levels, size, antialias=False) - reference_resize(pixels, size)).max()
        < 2e-6
    )


@pytest.mark.parametrize("shape", [(200, 200), (37, 91), (64, 64), (10, 300), (5, 3)])
@pytest.mark.parametrize("size", [16, 64])
def test_plain_resize_agrees_with_scipy_and_skimage(shape, size):
    levels = noise(*shape, 3)
    pixels = levels / np.float32(255)
    got = images.resize(levels, size, antialias=False)
    where = np.meshgrid(*((np.arange(size) + 0.5) * n / size - 0.5 for n in shape), indexing="ij")
    scipys = np.stack(
        [map_coordinates(pixels[..., c], where, order=1, mode="nearest") for c in range(3)], axis=-1
    )
    skimages = skimage.transform.resize(
        pixels, (size, size), order=1, anti_aliasing=False, mode="edge"
    )
    assert np.abs(got - scipys).max() < 1e-5
    assert np.abs(got - skimages).max() < 1e-5


def test_resize_to_the_same_size_changes_nothing():
    levels = noise(16, 16, 3)
    for antialias in (False, True):
        assert np.abs(images.resize(levels, 16, antialias) - levels / np.float32(255)).max() < 1e-6


def test_only_antialiasing_averages_a_fine_pattern():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::8] = 255
    assert images.resize(stripes, 8, antialias=False).max() == 0
    assert np.abs(images.resize(stripes, 8, antialias=True)[1:-1] - 1 / 8).max() < 0.05


def test_colour_conversion_agrees_with_skimage():
    pixels = noise(50, 40, 3) / 255
    got = rgb_to_lab(pixels)
    assert got.dtype == np.float32
    assert np.abs(got - skimage.color.rgb2lab(pixels)).max() < 2e-3


@pytest.mark.parametrize("shape", [(256, 256, 3), (7, 5, 3), (1, 1, 3)])
def test_lightness_alone_has_the_same_bits(shape):
    pixels = noise(*shape) / np.float32(255)
    pixels[0, 0] = 0
    assert np.array_equal(rgb_to_lightness(pixels), rgb_to_lab(pixels)[..., 0])


def test_known_colours_have_their_published_lab():
    got = rgb_to_lab(np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]))
    wanted = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    assert np.abs(got - wanted).max() < 0.02


def test_preparing_gives_the_protocol_s_sizes_and_units():
    photo = images.prepare(noise(90, 120, 3), PAPER)
    assert (photo.grey.shape, photo.ab.shape) == ((256, 256), (2, 64, 64))
    assert (photo.grey.dtype, photo.ab.dtype) == (np.float32, np.float32)
    assert photo.grey.min() >= 0
    assert 50 < photo.grey.max() <= 100.001
    assert np.abs(photo.ab).max() > 20


def test_preparing_resizes_rgb_and_then_converts():
    pixels = noise(100, 80, 3)
    photo = images.prepare(pixels, PAPER)
    small, large = (
        skimage.color.rgb2lab(
            skimage.transform.resize(
                pixels / 255, (n, n), order=1, anti_aliasing=False, mode="edge"
            )
        )
        for n in (64, 256)
    )
    assert np.abs(photo.ab - small[..., 1:].transpose(2, 0, 1)).max() < 5e-3
    assert np.abs(photo.grey - large[..., 0]).max() < 5e-3


@pytest.mark.parametrize("size", [(1, 1), (3000, 10), (10, 3000), (2, 1)])
@pytest.mark.parametrize("protocol", [PAPER, SQUARE], ids=["paper", "square"])
def test_any_shape_of_one_colour_prepares_to_that_colour(size, protocol):
    photo = images.prepare(
        images.decode(encode(Image.new("RGB", size, (200, 60, 90)), "PNG")).levels, protocol, 200
    )
    lightness, a, b = skimage.color.rgb2lab(np.array([200, 60, 90]) / 255)
    assert np.abs(photo.grey - lightness).max() < 1e-2
    assert np.abs(photo.ab - np.array([a, b])[:, None, None]).max() < 1e-2


def framed(width, height, inner_width, inner_height):
    """A blue picture with a red frame around a centred blue rectangle."""
    image = Image.new("RGB", (width, height), "red")
    image.paste(
        "blue",
        (
            (width - inner_width) // 2,
            (height - inner_height) // 2,
            (width + inner_width) // 2,
            (height + inner_height) // 2,
        ),
    )
    return image


def has_frame(photo):
    return bool(np.ptp(photo.ab) and np.ptp(photo.ab[1]) > 1)


@pytest.mark.parametrize(
    ("protocol", "crop", "size", "inner", "frame_seen"),
    [
        (PAPER, 200, (250, 250), (200, 200), False),
        (PAPER, 200, (250, 250), (190, 190), True),
        (PAPER, None, (250, 250), (240, 240), True),
        (PAPER, 200, (100, 300), (100, 200), False),
        (SQUARE, None, (300, 100), (100, 100), False),
        (SQUARE, 50, (100, 300), (100, 100), False),
        (SQUARE, 50, (100, 300), (80, 80), True),
    ],
)
def test_the_crop_is_the_protocol_s_and_centred(protocol, crop, size, inner, frame_seen):
    assert (
        has_frame(images.prepare(np.asarray(framed(*size, *inner)), protocol, crop)) is frame_seen
    )


def test_grey_only_means_every_pixel_without_colour():
    grey = np.repeat(noise(20, 20, 1), 3, axis=-1)
    assert images.prepare(grey, PAPER).is_grey
    grey[3, 4, 1] ^= 1
    assert not images.prepare(grey, PAPER).is_grey


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_a_picture_of_true_lightness_and_colour_is_the_photograph(size):
    pixels = noise(*size, 3)
    lab = skimage.color.rgb2lab(pixels / 255)
    got = picture(
        lab[..., 0].astype(np.float32), lab[..., 1:].transpose(2, 0, 1).astype(np.float32)
    )
    assert got.dtype == np.uint8
    assert np.array_equal(got, pixels)


def test_a_small_colour_field_is_enlarged_to_the_lightness():
    lab = skimage.color.rgb2lab(np.array([200, 60, 90]) / 255)
    got = picture(
        np.full((256, 256), lab[0], np.float32), np.broadcast_to(lab[1:, None, None], (2, 64, 64))
    )
    assert np.abs(got - np.array([200.0, 60, 90])).max() <= 1


def test_colours_outside_srgb_are_clipped_without_a_warning(recwarn):
    got = picture(
        np.full((8, 8), 20.0), np.stack([np.full((4, 4), -120.0), np.full((4, 4), 120.0)])
    )
    assert got.min() == 0
    assert list(recwarn) == []


def test_pictures_are_scikit_image_s_of_enlarged_fields():
    rng = np.random.default_rng(0)
    lightness, ab = (
        rng.uniform(0, 100, (96, 96)).astype(np.float32),
        rng.normal(0, 40, (3, 2, 64, 64)).astype(np.float32),
    )
    found = pictures(lightness, ab)
    assert found.shape == (3, 96, 96, 3)
    for field, got in zip(ab, found):
        how = {"order": 1, "mode": "edge", "anti_aliasing": False}
        large = [skimage.transform.resize(plane.astype(float), (96, 96), **how) for plane in field]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*negative Z values.*")
            expected = 255 * skimage.color.lab2rgb(
                np.stack([lightness.astype(float), *large], -1)
            ).clip(0, 1)
        assert np.abs(got - expected).max() <= 1
        assert np.array_equal(picture(lightness, field), got)

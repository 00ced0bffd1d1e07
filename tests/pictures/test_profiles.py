"""Colour profiles: photographs come out in sRGB, as an independent computation says."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from bench.pictures import images, profiles
from bench.protocol import make_paper

D65, D50_XY = (0.3127, 0.3290), (0.34567, 0.35850)
SPACES = {
    "sRGB": (D65, ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))),
    "Adobe RGB": (D65, ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))),
    "Display P3": (D65, ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
    "ProPhoto": (D50_XY, ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))),
}
"""White and primaries (x, y), of the standards."""
GAMMAS = {"Adobe RGB": 563 / 256, "ProPhoto": 461 / 256}
CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def to_d50(space):
    """Linear RGB of a space to XYZ under D50."""
    white, corners = SPACES[space]
    columns = np.stack([xyz(*corner) for corner in corners], -1)
    matrix = columns * np.linalg.solve(columns, xyz(*white))
    scale = (CONES @ np.array([0.96422, 1, 0.82521])) / (CONES @ xyz(*white))
    return np.linalg.inv(CONES) @ np.diag(scale) @ CONES @ matrix


def srgb_curve(linear):
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055
    )


def srgb_linear(share):
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def expected(levels, space):
    """The sRGB levels of a picture in a space, not rounded."""
    shares = levels / 255.0
    linear = shares ** GAMMAS[space] if space in GAMMAS else srgb_linear(shares)
    inside = linear @ (np.linalg.inv(to_d50("sRGB")) @ to_d50(space)).T
    return 255 * srgb_curve(inside.clip(0, 1))


def s15(*values):
    return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)


WHITE = {b"wtpt": b"XYZ " + bytes(4) + s15(0.9642, 1, 0.8249)}


def icc(tags, space=b"RGB ", kind=b"mntr", inner=b"XYZ ", version=2):
    """A colour profile with these tags and nothing more."""
    table, data, place = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", place + len(data), len(content))
        data += content
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x", place + len(data), version << 24, kind, space, inner, b"acsp"
    )
    return (
        (head + s15(0.9642, 1, 0.8249)).ljust(128, b"\0")
        + struct.pack(">I", len(tags))
        + table
        + data
    )


def profile(space, version=2):
    """A space's profile: a power law as `curv`; the curve of sRGB as `para` (version 4) or as a
    table (version 2)."""
    if space in GAMMAS:
        curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMAS[space] * 256)) + bytes(2)
    elif version == 4:
        curve = (
            b"para"
            + bytes(4)
            + struct.pack(">HH", 3, 0)
            + s15(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        )
    else:
        table = np.round(65535 * srgb_linear(np.arange(1024) / 1023)).astype(">u2")
        curve = b"curv" + bytes(4) + struct.pack(">I", 1024) + table.tobytes()
    matrix = to_d50(space)
    columns = {
        name: b"XYZ " + bytes(4) + s15(*matrix[:, i])
        for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    return icc(
        {**WHITE, **columns, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)}, version=version
    )


def grey_profile(gamma):
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    return icc({**WHITE, b"kTRC": curve}, b"GRAY")


def cmyk_profile():
    """Inks without overlap: L falls with all of them, a with cyan, b with yellow less than magenta."""
    corners = np.array(
        [[c, m, y, k] for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    )
    light = 1 - corners @ (0.2, 0.2, 0.1, 0.5)
    lab = np.stack(
        [
            light,
            0.5 + 0.2 * (corners[:, 1] - corners[:, 0]),
            0.5 + 0.3 * (corners[:, 2] - corners[:, 1]),
        ],
        -1,
    )
    ramp = bytes(range(256))
    cube = np.round(255 * lab).astype(np.uint8).tobytes()
    body = (
        struct.pack(">BBBx", 4, 3, 2) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + cube + ramp * 3
    )
    return icc({**WHITE, b"A2B0": b"mft1" + bytes(4) + body}, b"CMYK", b"prtr", b"Lab ")


def colours(height=60, width=80):
    """All kinds of colours, smooth so that JPEG keeps them."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height - 1, width - 1])[:, None, None]
    return np.round(255 * np.stack([x, y, 0.5 + 0.5 * np.sin(4 * x + 3 * y)], -1)).astype(np.uint8)


def saved(image, kind, **options):
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(
        stream, kind, **options
    )
    return stream.getvalue()


def read(data):
    return images.decode(data).levels.astype(int)


LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize(
    ("space", "version"), [(s, v) for s in ("Adobe RGB", "Display P3", "ProPhoto") for v in (2, 4)]
)
def test_a_wide_space_comes_out_as_computed(space, version, kind):
    picture = images.decode(
        saved(colours(), kind, icc_profile=profile(space, version), **LOSSLESS[kind])
    )
    wanted = expected(colours(), space)
    assert np.abs(picture.levels - wanted).max() <= 1.5
    assert np.abs(picture.levels - wanted).mean() <= 0.4
    assert np.abs(colours() - wanted).mean() > 3  # it isn't sRGB
    assert picture.profile == profile(space, version)


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_lossy_files_have_profiles_too(kind):
    more = {"subsampling": 0} if kind == "JPEG" else {}
    found = read(saved(colours(), kind, icc_profile=profile("Adobe RGB"), quality=100, **more))
    assert np.abs(found - expected(colours(), "Adobe RGB")).mean() < 1.5


@pytest.mark.parametrize(
    "made",
    [profile("sRGB", 2), profile("sRGB", 4), profiles.srgb().tobytes(), b""],
    ids=["v2", "v4", "lcms", "none"],
)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_srgb_keeps_every_bit(made, kind):
    assert np.array_equal(
        read(saved(colours(), kind, icc_profile=made, **LOSSLESS[kind])), colours()
    )


@pytest.mark.parametrize(
    "made",
    [
        b"no profile",
        b"\0",
        profile("Adobe RGB")[:200],
        bytes(4000),
        grey_profile(1.8),
        cmyk_profile(),
        icc({}, b"RGB "),
        icc({}, b"3CLR"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_profile_that_is_broken_or_of_another_kind_is_as_none(made, kind):
    picture = images.decode(saved(colours(), kind, icc_profile=made, **LOSSLESS[kind]))
    assert np.array_equal(picture.levels, colours())
    assert picture.profile == b""


@pytest.mark.parametrize("space", ["Adobe RGB", "Display P3", "ProPhoto"])
def test_what_has_no_colour_has_none_afterwards(space):
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None].repeat(8, 0), 3, -1)
    found = read(saved(grey, "PNG", icc_profile=profile(space)))
    assert np.ptp(found, axis=-1).max() == 0
    assert images.prepare(
        images.decode(saved(grey, "PNG", icc_profile=profile(space))).levels,
        make_paper(antialias=False),
    ).is_grey
    single = read(saved(grey[..., 0], "PNG", icc_profile=profile(space)))
    assert np.array_equal(single, found)


def test_a_grey_profile_is_followed_in_eight_and_sixteen_bits_and_beside_transparency():
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    wanted = 255 * srgb_curve((ramp / 255) ** (461 / 256))
    made = grey_profile(461 / 256)
    assert np.abs(read(saved(ramp, "PNG", icc_profile=made))[..., 1] - wanted).max() <= 1
    assert (
        np.abs(
            read(saved(257 * ramp.astype(np.uint16), "PNG", icc_profile=made))[..., 1] - wanted
        ).max()
        <= 1
    )
    veiled = Image.merge("LA", [Image.fromarray(ramp), Image.new("L", ramp.shape[::-1], 128)])
    assert (
        np.abs(
            read(saved(veiled, "PNG", icc_profile=made))[..., 1] - (wanted * 128 + 255 * 127) / 255
        ).max()
        <= 1.5
    )


def test_transparency_is_laid_on_the_white_of_srgb_after_the_colours_were_brought_there():
    alpha = np.full(colours().shape[:2], 100, np.uint8)
    veiled = Image.fromarray(np.dstack([colours(), alpha]))
    wanted = (expected(colours(), "Adobe RGB") * 100 + 255 * 155) / 255
    assert (
        np.abs(read(saved(veiled, "PNG", icc_profile=profile("Adobe RGB"))) - wanted).max() <= 1.5
    )


def test_palettes_have_profiles_too():
    few = Image.fromarray(colours()).quantize(64)
    wanted = expected(np.asarray(few.convert("RGB")), "Adobe RGB")
    assert np.abs(read(saved(few, "PNG", icc_profile=profile("Adobe RGB"))) - wanted).max() <= 1.5


def lab_to_levels(lab):
    """sRGB levels of CIELAB under D50."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    whole = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.9642, 1, 0.8249)
    return 255 * srgb_curve((whole @ np.linalg.inv(to_d50("sRGB")).T).clip(0, 1))


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_with_a_profile_is_printed_by_it_and_not_by_rule_of_thumb(kind):
    inks = np.zeros((40, 50, 4), np.uint8)
    inks[..., 0], inks[..., 1], inks[..., 2] = (
        80,
        np.linspace(0, 200, 50),
        np.linspace(0, 150, 40)[:, None],
    )
    share = inks / 255
    lab = np.stack(
        [
            100 * (1 - share @ (0.2, 0.2, 0.1, 0.5)),
            255 * (0.5 + 0.2 * (share[..., 1] - share[..., 0])) - 128,
            255 * (0.5 + 0.3 * (share[..., 2] - share[..., 1])) - 128,
        ],
        -1,
    )
    options = (
        {"quality": 100} if kind == "JPEG" else {}
    )  # Pillow writes Adobe's marker, and inks the other way round
    picture = Image.fromarray(inks, "CMYK")
    found = read(saved(picture, kind, icc_profile=cmyk_profile(), **options))
    assert np.abs(found - lab_to_levels(lab)).mean() < 3
    thumb = read(saved(picture, kind, **options))
    assert np.abs(thumb - np.asarray(picture.convert("RGB"))).mean() < 2
    assert np.abs(thumb - found).mean() > 10


def test_ycck_is_read_as_the_cmyk_that_it_was_made_of():
    """A JPEG whose inks are stored as Y, Cb, Cr and K, as Adobe's programs do: white paper and pure
    black stay what they are."""
    inks = np.zeros((16, 32, 4), np.uint8)
    inks[:, 16:, 3] = 255
    plain = saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    place = plain.index(b"Adobe\0")
    assert plain[place + 11] in (0, 2)
    levels = read(plain)
    assert levels[:, :8].min() > 250
    assert levels[:, 24:].max() < 5


def test_cielab_tiffs_are_read():
    y, x = np.mgrid[0:20, 0:30]
    lab = np.stack([np.full((20, 30), 60.0), x - 15.0, 2.0 * y - 20], -1)
    stored = np.stack(
        [np.round(lab[..., 0] * 2.55), lab[..., 1] % 256, lab[..., 2] % 256], -1
    ).astype(np.uint8)
    data = saved(Image.frombytes("LAB", (30, 20), stored.tobytes()), "TIFF")
    assert Image.open(io.BytesIO(data)).mode == "LAB"
    assert np.abs(read(data) - lab_to_levels(lab)).max() <= 2


def png(levels, *chunks):
    """A PNG with chunks of its own before its pixels."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(chunk(*c) for c in chunks)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def gama(exponent):
    return b"gAMA", struct.pack(">I", round(100000 / exponent))


def chrm(space):
    white, corners = SPACES[space]
    return b"cHRM", struct.pack(
        ">8I", *(round(100000 * v) for point in (white, *corners) for v in point)
    )


SRGB_CHUNK = (b"sRGB", b"\0")


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (SRGB_CHUNK,),
        (gama(2.2),),
        (gama(2.2), chrm("sRGB")),
        (SRGB_CHUNK, gama(2.2), chrm("sRGB")),
        (SRGB_CHUNK, gama(1.0), chrm("Adobe RGB")),
        ((b"gAMA", bytes(4)),),
        ((b"gAMA", b"\xff" * 4),),
        (gama(1.5), (b"cHRM", bytes(32))),
    ],
    ids=range(9),
)
def test_pngs_that_say_srgb_or_nothing_possible_keep_every_bit(chunks):
    assert np.array_equal(read(png(colours(), *chunks)), colours())


def test_pngs_that_say_another_gamma_and_primaries_are_followed():
    assert (
        np.abs(
            read(png(colours(), gama(563 / 256), chrm("Adobe RGB")))
            - expected(colours(), "Adobe RGB")
        ).max()
        <= 1.5
    )
    linear = read(png(colours(), gama(1.0)))
    assert np.abs(linear - 255 * srgb_curve(colours() / 255.0)).max() <= 1.5
    assert images.decode(png(colours(), gama(1.0))).profile == b""


def test_an_embedded_profile_goes_before_what_else_a_png_says():
    own = (b"iCCP", b"x\0\0" + zlib.compress(profile("Adobe RGB")))
    assert (
        np.abs(
            read(png(colours(), own, gama(1.0), chrm("ProPhoto")))
            - expected(colours(), "Adobe RGB")
        ).max()
        <= 1.5
    )


def test_rotation_and_profile_together():
    exif = Image.Exif()
    exif[0x112] = 6
    found = read(saved(colours(), "PNG", exif=exif, icc_profile=profile("Adobe RGB")))
    assert np.abs(found - np.rot90(expected(colours(), "Adobe RGB"), -1)).max() <= 1.5


def test_a_profile_of_the_wrong_type_in_a_tiff(monkeypatch):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[34675] = "text"
    tags.tagtype[34675] = 2
    assert np.array_equal(read(saved(colours(), "TIFF", tiffinfo=tags)), colours())


def test_threads_share_a_transform():
    data = [
        saved(np.roll(colours(), i, 0), "PNG", icc_profile=profile("Adobe RGB")) for i in range(40)
    ]
    alone = [read(d) for d in data]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert all(
                np.array_equal(a, b) for a, b in zip(alone, pool.map(read, data), strict=True)
            )


def test_parts_of_a_large_picture_are_as_the_whole(monkeypatch):
    alpha = np.dstack([colours(), np.full(colours().shape[:2], 90, np.uint8)])
    made = [
        saved(colours(), "PNG", icc_profile=profile("Adobe RGB")),
        saved(Image.fromarray(alpha), "PNG"),
        saved(Image.fromarray(colours()).quantize(9), "PNG", transparency=3),
        saved(colours(), "JPEG", quality=95),
        saved(colours()[..., 0].astype(np.float32) / 255, "TIFF"),
        saved(257 * colours()[..., 0].astype(np.uint16), "PNG", transparency=257),
    ]
    whole = [read(data) for data in made]
    monkeypatch.setattr("bench.machine.memory.STRIP", 500)
    assert all(np.array_equal(before, read(data)) for before, data in zip(whole, made, strict=True))


def test_profiles_lead_back():
    own = profile("Adobe RGB")
    back, there = profiles.from_srgb(own), profiles.to_srgb(own)
    inside = Image.fromarray(np.round(64 + colours() * 0.5).astype(np.uint8))
    assert (
        np.abs(np.asarray(there.applied(back.apply(inside))).astype(int) - np.asarray(inside)).max()
        <= 2
    )
    assert profiles.from_srgb(grey_profile(2.2)) is None
    assert profiles.from_srgb(b"no profile") is None

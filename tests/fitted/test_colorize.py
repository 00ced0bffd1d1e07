"""`bench colorize`: photographs of all kinds, at their own size, and those that can't be read."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from bench.cli import main
from bench.colour import rgb_to_lab, rgb_to_lightness
from bench.contracts.execution import Quiet
from bench.errors import BenchError
from bench.fitted import colorize, folders, upsampling
from bench.pictures import images, profiles

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(height, width, seed=0):
    """A colourful picture without hard edges."""
    blocks = np.random.default_rng(seed).integers(20, 235, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def saved(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def light(picture):
    return rgb_to_lightness(np.asarray(picture.convert("RGB")) / np.float32(255))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run in which two methods were fitted on twenty small pictures."""
    folder = tmp_path_factory.mktemp("base")
    for i in range(20):
        saved(folder / "pets" / f"{i}.png", smooth(64, 64, i))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(
            [
                "run",
                "-m",
                "zhang[steps=3],marginal",
                "-d",
                "./pets",
                "--preset",
                "tiny",
                "--store",
                "store",
                "--figures",
                "none",
                "--out",
                "runs/pets",
                "--metrics",
                "psnr",
                "--draws",
                "2",
                "-k",
                "2",
            ]
        )
    return folder


@pytest.fixture(autouse=True)
def own(base, monkeypatch):
    """The run's store is the reader's own."""
    monkeypatch.setenv("BENCH_STORE", str(base / "store"))


@pytest.fixture
def colorized(base, command, tmp_path):
    """Colourize photographs; gives the status, the lines of standard error, and the folder of the
    results."""

    def call(*photos, method="zhang", k=2, out="out", more=()):
        weights = base / "runs" / "pets"
        status, text, err = command(
            "colorize", *photos, "-m", method, "-k", k, "--weights", weights, "--out", out, *more
        )
        assert "Traceback" not in err
        return status, text, err.splitlines(), tmp_path / out

    return call


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


KINDS = {
    "grey.png": (lambda: smooth(90, 120).convert("L"), {}),
    "rgb.jpg": (lambda: smooth(90, 120), {"quality": 95}),
    "sixteen.png": (
        lambda: Image.fromarray(
            (257 * np.asarray(smooth(90, 120).convert("L"), np.uint32)).astype(np.uint16)
        ),
        {},
    ),
    "cmyk.jpg": (lambda: smooth(90, 120).convert("CMYK"), {"quality": 95}),
    "palette.gif": (lambda: smooth(90, 120).convert("P"), {}),
    "alpha.png": (lambda: smooth(90, 120).convert("RGBA"), {}),
    "tall.webp": (lambda: smooth(300, 20), {"lossless": True}),
}


@pytest.mark.parametrize("name", KINDS)
def test_all_kinds_of_photographs_keep_their_size_and_lightness(colorized, tmp_path, name):
    make, options = KINDS[name]
    path = saved(tmp_path / "in" / name, make(), **options)
    status, text, err, out = colorized(path)
    assert (status, text) == (0, "1 of 1 photograph(s): out\n"), err
    stem = Path(name).stem
    assert names(out) == [f"{stem}-1.png", f"{stem}-2.png", f"{stem}-sheet.png"]
    source = Image.fromarray(images.decode(path.read_bytes()).levels)
    for i in (1, 2):
        with Image.open(out / f"{stem}-{i}.png") as made:
            assert (made.mode, made.size) == ("RGB", source.size)
            assert np.abs(light(made) - light(source)).max() < 0.6
            chroma = rgb_to_lab(np.asarray(made) / np.float32(255))[..., 1:]
            assert np.abs(chroma).mean() > 1
    assert (out / f"{stem}-1.png").read_bytes() != (out / f"{stem}-2.png").read_bytes()


def test_the_same_seed_gives_the_same_bytes_and_another_others(colorized, tmp_path):
    path = saved(tmp_path / "in" / "a.png", smooth(60, 60))
    other = saved(tmp_path / "in" / "b.png", smooth(60, 60, 5))
    made = {}
    for out, photos, seed in (("one", [path], 0), ("two", [other, path], 0), ("three", [path], 1)):
        assert colorized(*photos, out=out, more=["--seed", seed])[0] == 0
        made[out] = (tmp_path / out / "a-1.png").read_bytes()
    assert made["one"] == made["two"] != made["three"]


def test_rotation_exif_and_profile(colorized, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8298] = 6, "a house", "nobody"
    path = saved(
        tmp_path / "in" / "turned.jpg", smooth(60, 100), exif=exif, icc_profile=SRGB, quality=95
    )
    status, _, err, out = colorized(path, k=1)
    assert status == 0, err
    with Image.open(out / "turned-1.png") as made:
        assert made.size == (60, 100)  # upright
        kept = made.getexif()
        assert 0x0112 not in kept
        assert (kept[0x010E], kept[0x8298]) == ("a house", "nobody")
        assert made.info["icc_profile"] == SRGB
        assert (
            np.abs(
                light(made) - light(Image.fromarray(images.decode(path.read_bytes()).levels))
            ).max()
            < 1.5
        )


def test_profiles_that_are_not_of_rgb_or_damaged(colorized, tmp_path):
    saved(tmp_path / "in" / "grey.png", smooth(40, 40).convert("L"), icc_profile=b"no profile")
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    saved(tmp_path / "in" / "lab.png", smooth(40, 40), icc_profile=lab)
    status, text, err, out = colorized(tmp_path / "in", k=1)
    assert (status, text) == (0, "2 of 2 photograph(s): out\n"), err
    assert len(names(out)) == 4


def test_folders_and_standard_input(colorized, tmp_path, monkeypatch):
    for name in ("a.png", "sub/a.png", "sub/b.jpg", "same.png", "same.jpg"):
        saved(tmp_path / "in" / name, smooth(40, 50))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    status, text, err, out = colorized(tmp_path / "in", k=1)
    assert (status, text) == (0, "5 of 5 photograph(s): out\n"), err
    assert [n for n in names(out) if n.endswith("-1.png")] == [
        "a-1.png",
        "same-jpg-1.png",
        "same-png-1.png",
        "sub/a-1.png",
        "sub/b-1.png",
    ]
    data = (tmp_path / "in" / "a.png").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert colorized("-", k=1, out="piped")[0] == 0
    assert names(tmp_path / "piped") == ["stdin-1.png", "stdin-sheet.png"]
    assert (tmp_path / "piped" / "stdin-1.png").read_bytes() == (out / "a-1.png").read_bytes()


def test_a_batch_reports_failures_and_goes_on(colorized, tmp_path):
    for i in range(12):
        saved(tmp_path / "in" / f"{i:02}.png", smooth(30, 30, i))
    (tmp_path / "in" / "03.png").write_bytes(b"no image")
    cut = (tmp_path / "in" / "05.png").read_bytes()
    (tmp_path / "in" / "05.png").write_bytes(cut[: len(cut) // 2])
    status, text, err, out = colorized(tmp_path / "in", "nope.png", k=1)
    assert status == 6
    assert text == "10 of 13 photograph(s): out\n"
    failed = [line for line in err if line.startswith("bench: ")]
    assert len(failed) == 3
    assert f"{tmp_path / 'in' / '03.png'}: not an image" in failed[0]
    assert failed[2] == "bench: nope.png: No such file or directory"
    assert len(names(out)) == 20


def test_an_exported_method_colourizes_and_the_newest_run_is_the_default(
    base, command, tmp_path, monkeypatch
):
    path = saved(tmp_path / "in" / "a.png", smooth(30, 30))
    exported = folders.export(base / "runs" / "pets", "zhang[steps=3]", tmp_path / "zhang")
    assert command("colorize", path, "--weights", exported, "--out", "one")[0] == 0
    assert len(names(tmp_path / "one")) == 6
    status, _, err = command("colorize", path, "-m", "zhang", "--out", "two")
    assert status == 2
    assert "no run below runs has a fitted zhang" in err
    monkeypatch.chdir(base)
    assert command("colorize", path, "-m", "zhang", "--out", tmp_path / "two")[0] == 0
    assert (tmp_path / "two" / "a-1.png").read_bytes() == (
        tmp_path / "one" / "a-1.png"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope/"], "No such file"),
        (["a.png", "-m", "mdn"], "unknown method of"),
        (["a.png", "--weights", "nope"], "neither a run nor"),
        (["a.png", "-k", "0"], "'-k'"),
        (["a.png", "--device", "cuda:9"], "cuda"),
        ([], "Missing argument"),
    ],
)
def test_bad_input(base, command, tmp_path, arguments, said):
    saved(tmp_path / "a.png", smooth(20, 20))
    given = (
        arguments
        if "--weights" in arguments or not arguments
        else [*arguments, "--weights", str(base / "runs" / "pets")]
    )
    if arguments and "-m" not in arguments:
        given = [*given, "-m", "zhang"]
    status, _, err = command("colorize", *given)
    assert status in (2, 6)
    assert said in err
    assert "Traceback" not in err


def test_results_that_can_not_be_written(colorized, tmp_path):
    path = saved(tmp_path / "in" / "a.png", smooth(20, 20))
    (tmp_path / "out").write_text("a file")
    status, _, err, _ = colorized(path)
    assert status == 2
    assert "can't be written" in err[-1]


def test_methods_that_can_not_colourize_are_refused(base, tmp_path):
    photos, _ = colorize.inputs([str(saved(tmp_path / "a.png", smooth(20, 20)))], tmp_path / "out")
    with folders.opened(base / "runs" / "pets", "zhang") as made:
        spec = made.spec
        for change, said in (
            ({"sees": frozenset({"identity"})}, "must see the identity"),
            ({"role": "codec"}, "encodes colours"),
        ):
            with pytest.raises(BenchError, match=said):
                colorize.colourize(
                    photos,
                    replace(made, spec=replace(spec, **change)),
                    tmp_path / "out",
                    1,
                    0,
                    Quiet(),
                )
    assert not (tmp_path / "out").exists()


def test_a_large_photograph_is_worked_on_in_strips(base, tmp_path, monkeypatch):
    """Memory grows with the picture's bytes, not with planes of floating-point numbers."""
    monkeypatch.setattr("bench.fitted.upsampling.STRIP", 50_000)
    path = saved(tmp_path / "large.png", smooth(900, 1600))
    seen, own = [], upsampling.lab_to_rgb
    monkeypatch.setattr(
        upsampling, "lab_to_rgb", lambda light, ab: seen.append(light.numel()) or own(light, ab)
    )
    with folders.opened(base / "runs" / "pets", "zhang") as made:
        photos, _ = colorize.inputs([str(path)], tmp_path / "out")
        assert colorize.colourize(photos, made, tmp_path / "out", 1, 0, Quiet()) == []
    assert max(seen) <= 50_000
    assert sum(seen) == 900 * 1600


def icc(space, kind, tags):
    """A colour profile with these tags and nothing more."""
    place, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", place + len(data), len(content))
        data += content
    size = place + len(data)
    inner = b"Lab " if kind == b"scnr" else b"XYZ "
    head = struct.pack(
        ">I4sI4s4s4s12x4s28x", size, b"lcms", 0x02400000, kind, space, inner, b"acsp"
    )
    head += struct.pack(">III", 0xF6D6, 0x10000, 0xD32D) + bytes(128 - len(head) - 12)
    return head + struct.pack(">I", len(tags)) + table + data


WHITE = {b"wtpt": b"XYZ " + bytes(4) + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)}
GREY_PROFILE = icc(
    b"GRAY", b"mntr", WHITE | {b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0233)}
)
STRAIGHT = bytes(range(256)) * 3
CUBE = bytes(
    c for r in (0, 255) for g in (0, 255) for b in (0, 255) for c in ((r + g + b) // 3, 128, 128)
)
OUT_ONLY = (
    struct.pack(">BBBx9I", 3, 3, 2, 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    + STRAIGHT
    + CUBE
    + STRAIGHT
)
ONE_WAY = icc(b"RGB ", b"scnr", WHITE | {b"A2B0": b"mft1" + bytes(4) + OUT_ONLY})


def test_sixteen_bits_with_a_grey_profile_and_grey_with_transparency(tmp_path):
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(32, 0)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG", icc_profile=GREY_PROFILE)
    row = images.decode(buffer.getvalue()).levels[0, :, 0].astype(int)
    assert row[0] < 5
    assert 80 < row[32] < 180
    assert (np.diff(row) >= 0).all()
    buffer = io.BytesIO()
    Image.merge("LA", [Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 0)]).save(
        buffer, "PNG", icc_profile=GREY_PROFILE
    )
    assert images.decode(buffer.getvalue()).levels.min() > 250


def test_a_profile_that_leads_one_way_gives_results_in_srgb(colorized, tmp_path):
    saved(tmp_path / "scan.png", smooth(40, 50), icc_profile=ONE_WAY)
    assert ImageCms.ImageCmsProfile(io.BytesIO(ONE_WAY)).profile.xcolor_space.strip() == "RGB"
    status, _, _, out = colorized("scan.png")
    assert status == 0
    with Image.open(out / "scan-1.png") as picture:
        assert "sRGB" in ImageCms.getProfileDescription(
            ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        )


def test_damaged_exif_is_left_out_and_said(colorized, tmp_path):
    rational = struct.pack("<HHII", 0x11A, 2, 4, 0x41414141)  # a resolution that is text
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + rational + bytes(4)
    saved(tmp_path / "odd.jpg", smooth(40, 50), exif=exif)
    status, _, err, out = colorized("odd.jpg")
    assert status == 0
    assert names(out) == ["odd-1.png", "odd-2.png", "odd-sheet.png"]
    assert any("EXIF" in line for line in err)


def test_what_a_tiff_says_of_its_own_pixels_is_no_exif_of_the_results(colorized, tmp_path):
    saved(
        tmp_path / "scan.tiff",
        smooth(40, 50),
        compression="tiff_lzw",
        description="a barn",
        icc_profile=SRGB,
    )
    status, _, _, out = colorized("scan.tiff")
    assert status == 0
    with Image.open(out / "scan-1.png") as picture:
        exif = picture.getexif()
        assert exif[0x10E] == "a barn"
        assert not {0x100, 0x101, 0x103, 0x111, 0x117, 0x8773} & set(exif)


@pytest.mark.parametrize(
    ("photos", "out", "said"),
    [
        (["album"], "album", "among the photographs"),
        (["album/photo.jpg", "album/photo-1.png"], "album", "would overwrite"),
    ],
)
def test_no_photograph_is_overwritten(colorized, tmp_path, photos, out, said):
    before = [
        saved(tmp_path / "album" / name, smooth(20, 20)).read_bytes()
        for name in ("photo.jpg", "photo-1.png")
    ]
    status, _, err, _ = colorized(*photos, out=out)
    assert status == 2
    assert said in err[-1]
    assert names(tmp_path / "album") == ["photo-1.png", "photo.jpg"]
    assert [
        (tmp_path / "album" / name).read_bytes() for name in ("photo.jpg", "photo-1.png")
    ] == before


def test_results_are_not_colourized_again(colorized, tmp_path):
    saved(tmp_path / "album" / "photo.jpg", smooth(20, 20))
    for _ in range(2):
        status, text, _, out = colorized("album", out="album/coloured")
        assert (status, len(names(out))) == (0, 3)
        assert "1 of 1" in text


@pytest.mark.parametrize("name", ["~nobody.jpg", f"{'x' * 300}.jpg", "album/locked"])
def test_places_that_can_not_be_read_are_said(colorized, tmp_path, name):
    status, text, err, _ = colorized(name)
    assert status != 0
    assert name[:20] in " ".join([text, *err])


def test_a_long_name_costs_its_own_photograph(colorized, tmp_path):
    saved(tmp_path / "album" / f"{'x' * 250}.png", smooth(20, 20))
    saved(tmp_path / "album" / "photo.png", smooth(20, 20))
    status, text, err, out = colorized("album")
    assert status == 6
    assert "1 of 2" in text
    assert "too long" in err[-1]
    assert "photo-1.png" in names(out)


def test_pillows_own_limit_of_pixels_does_not_hold(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "large.png"
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        saved(path, smooth(90, 120))
    assert images.decode(path.read_bytes()).levels.shape == (90, 120, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_damaged_newer_run_is_passed_over_and_controls_are_no_default(
    base, tmp_path, monkeypatch
):
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    (tmp_path / "runs" / "pets").symlink_to(base / "runs" / "pets")
    (tmp_path / "runs" / "broken" / "manifest.json").write_text("{")
    assert colorize.newest("zhang", tmp_path / "runs") == tmp_path / "runs" / "pets"
    assert colorize.newest(None, tmp_path / "runs") == tmp_path / "runs" / "pets"
    with pytest.raises(BenchError, match="fitted mdn"):
        colorize.newest("mdn", tmp_path / "runs")


def test_of_several_trainings_the_smallest_seed_is_taken_and_said(
    base, command, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.chdir(base)
        main(
            [
                "run",
                "-m",
                "marginal",
                "-d",
                "./pets",
                "--preset",
                "tiny",
                "--store",
                "store",
                "--figures",
                "none",
                "--metrics",
                "psnr",
                "--draws",
                "2",
                "-k",
                "2",
                "--seed",
                "4",
                "--seed",
                "3",
                "--out",
                tmp_path / "seeds",
            ]
        )
    saved(tmp_path / "a.png", smooth(20, 20))
    status, _, err = command(
        "colorize",
        tmp_path / "a.png",
        "-m",
        "marginal",
        "--weights",
        tmp_path / "seeds",
        "--out",
        "out",
    )
    assert status == 0, err
    assert "with seed 3" in err
    with pytest.raises(BenchError, match="seed"):
        folders.export(tmp_path / "seeds", "marginal", tmp_path / "folder")


def test_a_bigtiff_gives_exif_that_can_be_read(colorized, tmp_path):
    (tmp_path / "in").mkdir()
    levels = np.asarray(smooth(40, 50))
    tifffile.imwrite(
        tmp_path / "in" / "big.tif", levels, photometric="rgb", bigtiff=True, description="a sheet"
    )
    status, _, err, out = colorized("in/big.tif", k=1)
    assert status == 0, err
    assert not any("EXIF" in line for line in err)
    with Image.open(out / "big-1.png") as made:
        assert made.info["exif"].removeprefix(b"Exif\0\0")[:4] in (b"II*\0", b"MM\0*")
        assert made.getexif()[0x10E] == "a sheet"
    assert colorized(out / "big-1.png", k=1, out="again")[0] == 0


@pytest.mark.parametrize("name", KINDS)
def test_results_are_photographs_that_can_be_colourized(colorized, tmp_path, name):
    make, options = KINDS[name]
    saved(tmp_path / "in" / name, make(), **options)
    assert colorized(tmp_path / "in" / name, k=1)[0] == 0
    result = tmp_path / "out" / f"{Path(name).stem}-1.png"
    assert (
        images.decode(result.read_bytes()).levels.shape
        == images.decode((tmp_path / "in" / name).read_bytes()).levels.shape
    )
    assert colorized(result, k=1, out="again")[0] == 0


def test_results_stay_in_a_wide_space_and_look_the_same(colorized, tmp_path):
    wide = profiles.made(563 / 256, (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))
    path = saved(
        tmp_path / "wide.png", profiles.from_srgb(wide).apply(smooth(40, 50)), icc_profile=wide
    )
    assert colorized(path, k=1)[0] == 0
    with Image.open(tmp_path / "out" / "wide-1.png") as made:
        assert made.info["icc_profile"] == wide
    shown = images.decode((tmp_path / "out" / "wide-1.png").read_bytes()).levels
    assert np.abs(light(Image.fromarray(shown)) - light(smooth(40, 50))).max() < 2.5


def test_what_is_too_large_to_be_colourized_is_named(colorized, tmp_path, monkeypatch):
    monkeypatch.setattr(colorize, "MOST", 200_000)
    saved(tmp_path / "in" / "large.png", smooth(200, 300))
    saved(tmp_path / "in" / "small.png", smooth(40, 50))
    status, text, err, _ = colorized("in", k=1)
    assert (status, text.split(" photograph")[0]) == (6, "1 of 2")
    assert "300x200 pixels need" in err[-1]


def test_an_eps_that_is_called_jpg_is_named(colorized, tmp_path):
    (tmp_path / "logo.jpg").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(made) print\nshowpage\n"
    )
    status, _, err, _ = colorized("logo.jpg", k=1)
    assert status == 6
    assert err[-1] == "bench: logo.jpg: an EPS or PostScript file, which is not read"

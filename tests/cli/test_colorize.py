"""`bench colorize`: photographs of all kinds, at their own size, and those that can't be read."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from bench import colorize, fitted, images, upsampling
from bench.cli import main
from bench.colour import rgb_to_lab, rgb_to_lightness
from bench.errors import BenchError
from bench.progress import Quiet

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
        main(["run", "-m", "zhang[steps=3],marginal", "-d", "./pets", "--preset", "tiny", "--store", "store", "--figures", "none",
              "--out", "runs/pets", "--metrics", "psnr", "--draws", "2", "-k", "2"])  # fmt: skip
    return folder


@pytest.fixture
def colorized(base, command, tmp_path):
    """Colourize photographs; gives the status, the lines of standard error, and the folder of the results."""

    def call(*photos, method="zhang", k=2, out="out", more=()):
        weights = base / "runs" / "pets"
        status, text, err = command("colorize", *photos, "-m", method, "-k", k, "--weights", weights, "--out", out, *more)
        assert "Traceback" not in err
        return status, text, err.splitlines(), tmp_path / out

    return call


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


KINDS = {
    "grey.png": (lambda: smooth(90, 120).convert("L"), {}),
    "rgb.jpg": (lambda: smooth(90, 120), {"quality": 95}),
    "sixteen.png": (lambda: Image.fromarray((257 * np.asarray(smooth(90, 120).convert("L"), np.uint32)).astype(np.uint16)), {}),
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
    source = images.decode(path.read_bytes())
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
    path = saved(tmp_path / "in" / "turned.jpg", smooth(60, 100), exif=exif, icc_profile=SRGB, quality=95)
    status, _, err, out = colorized(path, k=1)
    assert status == 0, err
    with Image.open(out / "turned-1.png") as made:
        assert made.size == (60, 100)  # upright
        kept = made.getexif()
        assert 0x0112 not in kept
        assert (kept[0x010E], kept[0x8298]) == ("a house", "nobody")
        assert made.info["icc_profile"] == SRGB
        assert np.abs(light(made) - light(images.decode(path.read_bytes()))).max() < 1.5


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
    assert [n for n in names(out) if n.endswith("-1.png")] == ["a-1.png", "same-jpg-1.png", "same-png-1.png", "sub/a-1.png",
                                                               "sub/b-1.png"]  # fmt: skip
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


def test_an_exported_method_colourizes_and_the_newest_run_is_the_default(base, command, tmp_path, monkeypatch):
    path = saved(tmp_path / "in" / "a.png", smooth(30, 30))
    exported = fitted.export(base / "runs" / "pets", "zhang[steps=3]", tmp_path / "zhang")
    assert command("colorize", path, "--weights", exported, "--out", "one")[0] == 0
    assert len(names(tmp_path / "one")) == 6
    status, _, err = command("colorize", path, "-m", "zhang", "--out", "two")
    assert status == 2
    assert "no run below runs has a fitted zhang" in err
    monkeypatch.chdir(base)
    assert command("colorize", path, "-m", "zhang", "--out", tmp_path / "two")[0] == 0
    assert (tmp_path / "two" / "a-1.png").read_bytes() == (tmp_path / "one" / "a-1.png").read_bytes()


@pytest.mark.parametrize(("arguments", "said"), [
    (["nope/"], "No such file"), (["a.png", "-m", "mdn"], "unknown method of"),
    (["a.png", "--weights", "nope"], "neither a run nor"), (["a.png", "-k", "0"], "'-k'"),
    (["a.png", "--device", "cuda:9"], "cuda"), ([], "Missing argument"),
])  # fmt: skip
def test_bad_input(base, command, tmp_path, arguments, said):
    saved(tmp_path / "a.png", smooth(20, 20))
    given = arguments if "--weights" in arguments or not arguments else [*arguments, "--weights", str(base / "runs" / "pets")]
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
    photos = colorize.inputs([str(saved(tmp_path / "a.png", smooth(20, 20)))])
    with fitted.opened(base / "runs" / "pets", "zhang") as made:
        spec = made.spec
        for change, said in (({"sees": frozenset({"identity"})}, "must see the identity"), ({"role": "codec"}, "encodes colours")):
            with pytest.raises(BenchError, match=said):
                colorize.colourize(photos, replace(made, spec=replace(spec, **change)), tmp_path / "out", 1, 0, Quiet())
    assert not (tmp_path / "out").exists()


def test_a_large_photograph_is_worked_on_in_strips(base, tmp_path, monkeypatch):
    """Memory grows with the picture's bytes, not with planes of floating-point numbers."""
    monkeypatch.setattr("bench.upsampling.STRIP", 50_000)
    path = saved(tmp_path / "large.png", smooth(900, 1600))
    seen, own = [], upsampling.lab_to_rgb
    monkeypatch.setattr(upsampling, "lab_to_rgb", lambda light, ab: seen.append(light.numel()) or own(light, ab))
    with fitted.opened(base / "runs" / "pets", "zhang") as made:
        assert colorize.colourize(colorize.inputs([str(path)]), made, tmp_path / "out", 1, 0, Quiet()) == []
    assert max(seen) <= 50_000
    assert sum(seen) == 900 * 1600

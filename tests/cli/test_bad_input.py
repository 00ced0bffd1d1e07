"""Bad input: one clear line, a non-zero exit status, nothing half written."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICK = "zhang[steps=2,batch=8]"


def error_line(err):
    lines = [line for line in err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "mnd"], ["unknown method 'mnd'", "did you mean 'mdn'"]),
        (["-d", "chruch"], ["unknown dataset 'chruch'", "did you mean 'church'"]),
        (["-m", "mdn[componets=3]"], ["unknown parameter of mdn 'componets'", "'components'"]),
        (["-m", "mdn[components=many]"], ["components", "int", "many"]),
        (["-m", "vae[loss=l3]"], ["loss=l3", "l2, mah, full"]),
        (["-m", "mdn[vae=vea]"], ["unknown method 'vea'", "'vae'"]),
        (["-m", "mdn[k"], ["brackets"]),
        (["-k", "0"], ["--k 0 is below 1"]),
        (["--limit-train", "0"], ["limit-train 0"]),
        (["--protocol", "papre"], ["unknown protocol 'papre'", "'paper'"]),
        (["--metrics", "varience"], ["unknown metric 'varience'", "'variance'"]),
        (["--device", "gpu"], ["unknown device 'gpu'"]),
        (["-d", "lfw"], ["lfw", "--data-home"]),
        (["-d", "./nowhere"], ["nowhere"]),
        (["-m", "zhang[weights=nowhere.pth]", "--preset", "paper"], ["nowhere.pth"]),
    ],
)
def test_what_is_misspelt_is_named(bench, photographs, arguments, words):
    given = ["-d", photographs] if "-d" not in arguments else []
    status, _, err = (
        bench("run", "-m", "zhang", *given, *arguments)
        if "-m" not in arguments
        else bench("run", *given, *arguments)
    )
    assert status == 2, err
    line = error_line(err)
    for word in words:
        assert word in line
    assert not Path("runs").exists()


def test_an_empty_folder_is_nothing_to_measure(bench, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, err = bench("run", "-m", "zhang", "-d", tmp_path / "empty")
    assert status == 3
    assert "empty" in error_line(err)


def odd_folder(folder):
    """Good photographs, every odd kind of image, and two that can't be read."""
    rng = np.random.default_rng(0)

    def colours(height, width, channels=3):
        small = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        return small if channels == 3 else small.convert({4: "RGBA"}[channels])

    folder.mkdir()
    for i in range(16):
        colours(70, 90).save(folder / f"good{i:02d}.jpg")
    colours(1, 1).save(folder / "one-pixel.png")
    colours(5000, 4000).save(folder / "huge.jpg")
    alpha = colours(60, 60, 4)
    alpha.putalpha(128)
    alpha.save(folder / "alpha.png")
    colours(60, 60).convert("P").save(folder / "palette.png")
    colours(60, 60).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(rng.integers(0, 65536, (50, 50), dtype=np.uint16)).save(
        folder / "sixteen-bit.png"
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    colours(60, 90).save(folder / "rotated.jpg", exif=exif)
    whole = io.BytesIO()
    colours(300, 300).save(whole, "JPEG")
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (folder / "text.jpg").write_text("no image")
    return folder


def test_unreadable_photographs_are_left_out_counted_and_named(bench, tmp_path):
    folder = odd_folder(tmp_path / "odd")
    status, _, err = bench("run", "-m", QUICK, "-d", folder, "--preset", "tiny", "--out", "r")
    assert status == 0, err
    assert "odd: left out text.jpg: not an image" in err
    assert "odd: left out truncated.jpg: " in err
    assert "odd: left out sixteen-bit.png: grey-only" in err
    assert err.count("left out") == 3
    assert "3 left out" in Path("r/report.md").read_text()
    status, _, err = bench(
        "run", "-m", QUICK, "-d", folder, "--preset", "tiny", "--out", "s", "--strict"
    )
    assert status == 2
    assert "--strict" in error_line(err)
    assert not Path("s").exists()


def test_too_few_photographs_for_components_or_clusters(bench, photographs):
    mdn = f"mdn[steps=2,batch=2,features={QUICK},vae=vae[steps=2,batch=2,loss=l2]]"
    status, _, err = bench(
        "run", "-m", mdn, "-d", photographs, "--preset", "tiny", "--limit-train", "5"
    )
    assert status == 3
    assert "8 components" in error_line(err)
    status, _, err = bench(
        "run",
        "-m",
        f"cvae[features={QUICK}]",
        "-d",
        photographs,
        "--preset",
        "tiny",
        "--limit-train",
        "6",
    )
    assert status == 3
    assert "21 training photographs" in error_line(err)
    cvae = f"cvae[steps=2,batch=8,draws=3,loss=l2,features={QUICK}]"
    status, _, err = bench("run", "-m", cvae, "-d", photographs, "--preset", "tiny")
    assert status == 3
    assert "draws" in error_line(err)


def test_one_failed_cell_does_not_stop_the_others(bench, photographs):
    cvae = f"cvae[steps=2,batch=8,draws=3,loss=l2,features={QUICK}]"
    status, out, err = bench(
        "run", "-m", f"{cvae},{QUICK}", "-d", photographs, "--preset", "tiny", "--out", "r"
    )
    assert status == 6, err
    assert "failed" in out
    assert "iid" in out
    assert "draws" in Path("r/report.md").read_text()


def test_output_folders(bench, photographs, tmp_path):
    (tmp_path / "file").write_text("x")
    status, _, err = bench(
        "run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "file/run"
    )
    assert status == 2
    assert "can't be written" in error_line(err)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    status, _, err = bench(
        "run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "mine"
    )
    assert status == 2
    assert "no run folder" in error_line(err)
    assert bench("run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "r")[0] == 0
    status, _, err = bench(
        "run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "r", "-k", "3"
    )
    assert status == 2
    assert "other settings (protocol)" in error_line(err)
    status, _, err = bench(
        "run",
        "-m",
        QUICK,
        "-d",
        photographs,
        "--preset",
        "tiny",
        "--store",
        "file/store",
        "--out",
        "q",
    )
    assert status == 2
    assert "--store" in error_line(err)


def test_a_folder_that_is_called_as_a_data_set_is_pointed_at(bench, tmp_path):
    Path("church").mkdir()
    status, _, err = bench("run", "-m", "grey", "-d", "church", "--data-home", tmp_path / "empty")
    assert status == 2
    assert error_line(err).endswith("the folder church that is here is ./church")


@pytest.mark.parametrize("verb", ["score", "report"])
def test_damaged_runs(bench, photographs, tmp_path, verb):
    assert "does not exist" in error_line(bench(verb, "nowhere")[2])
    assert bench("run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "r")[0] == 0
    manifest = Path("r/manifest.json")
    text = manifest.read_text()
    manifest.write_text(text.replace('"schema_version": 2', '"schema_version": 99'))
    status, _, err = bench(verb, "r")
    assert status == 2
    assert "schema version 99" in error_line(err)
    for path in (
        ("protocol_digest",),
        ("protocol", "scale"),
        ("fits",),
        ("datasets", photographs.name, "test", "ids_digest"),
    ):
        whole = json.loads(text)
        place = whole
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]
        manifest.write_text(json.dumps(whole))
        status, _, err = bench(verb, "r")
        assert status == 2
        assert path[-1] in error_line(err)
    manifest.write_text(text.replace('"scale": 128.0', '"scale": 100.0'))
    assert "its protocol is not that of its digest" in error_line(bench(verb, "r")[2])
    manifest.write_text(text[: len(text) // 2])
    assert "manifest.json" in error_line(bench(verb, "r")[2])


def test_a_run_folder_that_lost_or_cut_a_table(bench, photographs, tmp_path):
    assert bench("run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "r")[0] == 0
    for name in ("scores.parquet", "set_scores.parquet"):
        whole = Path("r", name).read_bytes()
        Path("r", name).write_bytes(whole[: len(whole) // 2])
        status, _, err = bench("report", "r")
        assert status == 2
        assert f"{name} can't be read" in error_line(err)
        Path("r", name).unlink()
        status, _, err = bench("report", "r")
        assert status == 2
        assert f"{name} is missing" in error_line(err)
        assert bench("score", "r")[0] == 0
        assert Path("r", name).read_bytes() == whole


def test_a_report_without_the_store_says_so_and_how_to_do_without(bench, photographs, tmp_path):
    assert (
        bench(
            "run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", "r", "--store", "s"
        )[0]
        == 0
    )
    shutil.rmtree("s")
    status, _, err = bench("report", "r")
    assert status == 2
    assert "--figures none" in error_line(err)
    assert bench("report", "r", "--figures", "none")[0] == 0
    assert Path("r/report/index.html").is_file()


def test_a_report_over_different_protocols_is_refused(bench, photographs):
    for k in "23":
        assert (
            bench("run", "-m", QUICK, "-d", photographs, "--preset", "tiny", "--out", k, "-k", k)[0]
            == 0
        )
    status, _, err = bench("report", "2", "3", "--out", "both")
    assert status == 4
    assert "k: 2 and 3" in error_line(err)


def test_an_unknown_figure_is_found_before_anything_is_fitted(bench, photographs, tmp_path):
    status, _, err = bench(
        "run", "-m", "grey", "-d", photographs, "--figures", "galery", "--out", tmp_path / "run"
    )
    assert status == 2
    assert err.startswith("bench: unknown figure 'galery': did you mean 'gallery'?")
    assert not (tmp_path / "run").exists()


def test_a_run_without_figures_has_none(bench, photographs, tmp_path):
    given = ("-m", "grey", "-d", photographs, "--metrics", "variance", "--out", tmp_path / "run")
    assert bench("run", *given, "--figures", "none")[0] == 0
    assert (tmp_path / "run" / "report.md").is_file()
    assert not (tmp_path / "run" / "figures").exists()

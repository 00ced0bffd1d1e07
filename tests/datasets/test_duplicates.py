"""The same photograph to train and to test with: said, counted, and by default not trained with."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import bench
from bench.contracts.request import Request
from bench.data import duplicates
from bench.errors import BenchError
from bench.results import run_folder

NAMES = [f"{i:02}.jpg" for i in range(16)]
TEST = NAMES[:6]


def smooth(seed, size=96):
    """A photograph: patches of random colours, large and small, with soft edges."""
    rng = np.random.default_rng(seed)
    large = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    small = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    return Image.blend(large, small, 0.3)


def copy_of(picture, form, **options):
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def write_split(test=TEST):
    everything = sorted(path.name for path in Path("pets").iterdir())
    lists = {
        "dataset": "pets",
        "train": [name for name in everything if name not in test],
        "test": list(test),
    }
    Path("split.json").write_text(json.dumps(lists))


@pytest.fixture
def pets(command):
    """Sixteen photographs, six of them to test with; of these, copies to train with: one of the
    file, one of its pixels, and one that was saved once more."""
    Path("pets").mkdir()
    for seed, name in enumerate(NAMES):
        smooth(seed).save(f"pets/{name}", quality=90)
    shutil.copy("pets/00.jpg", "pets/file.jpg")
    Path("pets/pixels.png").write_bytes(copy_of(Image.open("pets/01.jpg"), "PNG"))
    Path("pets/again.jpg").write_bytes(copy_of(Image.open("pets/02.jpg"), "JPEG", quality=60))
    write_split()
    return command


def run(command, out, *more, methods="grey"):
    return command(
        "run",
        "-m",
        methods,
        "-d",
        "./pets",
        "--store",
        "store",
        "--split",
        "split.json",
        "--figures",
        "none",
        "--metrics",
        "absolute-error",
        "--out",
        out,
        *more,
    )


def manifest(out):
    return json.loads((Path(out) / "manifest.json").read_text())


def of_pets(out):
    return manifest(out)["datasets"]["pets"]


def test_a_copy_is_not_trained_with_and_everything_says_so(pets):
    status, _, err = run(pets, "run")
    assert status == 0, err
    said = (
        "pets: 2 of 13 training photographs are in the test part, too: left out ('file.jpg' is the "
        "same file as test "
        "photograph '00.jpg'; 'pixels.png' is the same picture as test photograph '01.jpg')"
    )
    assert said in err.splitlines()
    assert (
        err.index(said) < err.index("fitting")
        if "fitting" in err
        else err.index(said) < err.index("grey on pets")
    )
    data = of_pets("run")
    assert set(data["train"]["ids"]) == {*NAMES, "again.jpg"} - set(TEST)
    assert data["train"]["excluded"] == {
        "file.jpg": "the same file as test photograph '00.jpg'",
        "pixels.png": "the same picture as test photograph '01.jpg'",
    }
    assert data["test"]["ids"] == TEST
    assert data["duplicates"] == {
        "choice": "drop",
        "near": 0,
        "within_test": [],
        "train": [
            ["file.jpg", "00.jpg", "the same file"],
            ["pixels.png", "01.jpg", "the same picture"],
        ],
    }
    report = Path("run/report.md").read_text()
    assert "10 train, 6 test photographs" not in report
    assert (
        "11 train, 6 test photographs; 2 left out (named in manifest.json), 2 of them copies of "
        "test photographs" in report
    )
    page = Path("run/report/index.html").read_text()
    assert "train: pixels.png: the same picture as test photograph" in page


@pytest.fixture
def copied(command):
    """As many photographs to train with as to test with, each the copy of one."""
    Path("pets").mkdir()
    for seed in range(24):
        smooth(seed).save(f"pets/{seed:02}.png")
        if seed < 12:
            shutil.copy(f"pets/{seed:02}.png", f"pets/copy-{seed:02}.png")
    write_split([f"{seed:02}.png" for seed in range(12)])
    return command


def best(out, method):
    """Error of the best of what a method presents."""
    found = run_folder.read(Path(out)).select(
        metric="error-of-best", method=method, ask="present", region="all"
    )
    return found["value"].mean()


def test_remembering_does_not_win(copied):
    for choice in ("keep", "drop"):
        more = ("--duplicates", choice, "--metrics", "error-of-best")
        status, _, err = run(copied, choice, *more, methods="knn[neighbours=5],grey")
        assert status == 0, err
    assert best("keep", "knn[neighbours=5]") < 0.01 * best("keep", "grey")
    assert best("drop", "knn[neighbours=5]") > 0.5 * best("drop", "grey")


def test_kept_copies_are_said_before_every_table(pets):
    status, _, err = run(pets, "run", "--duplicates", "keep")
    assert status == 0
    assert (
        "2 of 13 training photographs are in the test part, too: kept, so that a method wins by "
        "remembering them" in err
    )
    data = of_pets("run")
    assert {"file.jpg", "pixels.png"} < set(data["train"]["ids"])
    assert data["train"]["excluded"] == {}
    assert [copy[0] for copy in data["duplicates"]["train"]] == ["file.jpg", "pixels.png"]
    assert (
        "**2 training photographs are copies of test photographs**"
        in Path("run/report.md").read_text()
    )
    page = Path("run/report/index.html").read_text()
    assert "pets: 2 training photographs are copies of test photographs" in page
    assert "pixels.png: the same picture as test photograph" in page


def test_fail_is_one_line_that_names_the_first_pair(pets):
    status, _, err = run(pets, "run", "--duplicates", "fail")
    assert status == 2
    line = err.splitlines()[-1]
    assert line == (
        "bench: pets: training photograph 'file.jpg' is the same file as test photograph '00.jpg': "
        "--duplicates drop "
        "leaves such copies out of the training part, and keep trains with them"
    )
    Path("pets/file.jpg").unlink()
    write_split()
    status, _, err = run(pets, "run", "--duplicates", "fail")
    assert status == 2
    assert (
        "training photograph 'pixels.png' is the same picture as test photograph '01.jpg'"
        in err.splitlines()[-1]
    )
    assert not Path("run").exists()
    assert not Path("store/fits").exists()


def test_near_duplicates_on_request(pets):
    status, _, err = run(pets, "run", "--near-duplicates", "24")
    assert status == 0, err
    match = re.search(
        r"pets: 3 of 13 training photographs are in the test part, too, or nearly \(at most 24 of "
        r"256 bits differ\): left out \("
        r".*; 'again.jpg' is nearly the same picture \((\d+) of 256 bits differ\) as test "
        r"photograph '02.jpg'\)",
        err,
    )
    assert match, err
    assert 0 < int(match[1]) <= 24
    data = of_pets("run")
    assert "again.jpg" not in data["train"]["ids"]
    assert data["duplicates"]["near"] == 24
    assert data["duplicates"]["train"][2] == [
        "again.jpg",
        "02.jpg",
        f"nearly the same picture ({match[1]} of 256 bits differ)",
    ]
    status, _, err = run(
        pets, "failed", "--near-duplicates", "24", "--duplicates", "fail", "--limit-test", "3"
    )
    assert status == 2


def test_copies_within_the_test_part_are_counted(pets):
    shutil.copy("pets/03.jpg", "pets/twin.jpg")
    Path("pets/same.png").write_bytes(copy_of(Image.open("pets/03.jpg"), "PNG"))
    write_split([*TEST, "twin.jpg", "same.png"])
    status, _, err = run(pets, "run")
    assert status == 0
    said = (
        "pets: 2 of 8 test photographs are copies of others there, and count once more each "
        "('twin.jpg' is the same file as "
        "test photograph '03.jpg'; 'same.png' is the same picture as test photograph '03.jpg')"
    )
    assert said in err.splitlines()
    assert of_pets("run")["test"]["photographs"] == 8
    assert [copy[:2] for copy in of_pets("run")["duplicates"]["within_test"]] == [
        ["twin.jpg", "03.jpg"],
        ["same.png", "03.jpg"],
    ]
    assert "2 test photographs are copies of others there" in Path("run/report.md").read_text()
    assert (
        "pets: 2 test photographs are copies of others there"
        in Path("run/report/index.html").read_text()
    )


def test_keys_follow_what_is_trained_with(pets):
    for choice in ("drop", "keep"):
        assert run(pets, choice, "--duplicates", choice)[0] == 0
    one, other = of_pets("drop"), of_pets("keep")
    assert one["test"]["key"] == other["test"]["key"]
    assert one["train"]["key"] != other["train"]["key"]
    assert manifest("drop")["cells"][0]["fit"] != manifest("keep")["cells"][0]["fit"]
    status, _, err = run(pets, "drop", "--duplicates", "keep")
    assert status == 2
    assert "other settings (duplicates)" in err
    assert run(pets, "keep")[0] == 2
    for name in ("file.jpg", "pixels.png"):
        (Path("pets") / name).unlink()
    write_split()
    for choice in (
        "drop",
        "keep",
    ):  # where there is nothing to leave out, results are those of before
        assert run(pets, f"{choice}-none", "--duplicates", choice)[0] == 0
    assert of_pets("drop-none")["train"]["key"] == of_pets("keep-none")["train"]["key"]
    assert manifest("drop-none")["cells"][0]["fit"] == manifest("keep-none")["cells"][0]["fit"]


def test_limits(pets):
    assert run(pets, "run", "--limit-test", "2", "--limit-train", "12")[0] == 0
    data = of_pets("run")
    assert data["listed"] == {"train": 13, "test": 6}
    assert data["train"]["photographs"] == 11  # of twelve, and nothing in its place
    assert list(data["train"]["excluded"]) == ["file.jpg"]
    assert run(pets, "less", "--limit-test", "1", "--limit-train", "12")[0] == 0
    assert (
        "file.jpg" in of_pets("less")["train"]["excluded"]
    )  # it is in the test part, whatever the limit


def test_unreadable_files_are_no_copies(pets):
    for name in ("empty.jpg", "void.jpg"):
        (Path("pets") / name).write_bytes(b"")
    write_split([*TEST, "void.jpg"])
    assert run(pets, "run")[0] == 0
    assert [copy[0] for copy in of_pets("run")["duplicates"]["train"]] == ["file.jpg", "pixels.png"]
    assert of_pets("run")["train"]["excluded"]["empty.jpg"] == "an empty file"


def test_where_all_are_copies_there_is_nothing_to_train_with(copied):
    for seed in range(12, 24):
        Path(f"pets/{seed:02}.png").unlink()
    write_split([f"{seed:02}.png" for seed in range(12)])
    status, _, err = run(copied, "run")
    assert status == 3
    assert "every training photograph of pets is in the test part, too" in err.splitlines()[-1]


def test_processes_agree(pets):
    status, _, err = run(pets, "run", "--executor", "process", methods="marginal,grey")
    assert status == 0, err
    assert of_pets("run")["train"]["photographs"] == 11


def test_other_verbs_say_it(pets):
    split = ("--store", "store", "--split", "split.json")
    status, out, err = pets("data", "prepare", "./pets", *split)
    assert status == 0
    assert "2 of 13 training photographs are in the test part, too: left out" in err
    assert [line.split()[2:4] for line in out.splitlines()[1:]] == [["11", "2"], ["6", "0"]]
    assert pets("data", "prepare", "./pets", *split, "--duplicates", "fail")[0] == 2
    for name in TEST[1:]:  # whatever the split, a copy of the same file is found
        Path(f"pets/copy-{name}").write_bytes((Path("pets") / name).read_bytes())
    status, out, err = pets("data", "split", "./pets", "--store", "store", "--out", "ours.json")
    lists = json.loads(Path("ours.json").read_text())
    files = {name: (Path("pets") / name).read_bytes() for name in (*lists["train"], *lists["test"])}
    tested = {files[name] for name in lists["test"]}
    count = sum(files[name] in tested for name in lists["train"])
    assert count
    assert (
        f"pets: {count} of {len(lists['train'])} training photographs are in the test part, too"
        in err
    )
    assert "`bench run` leaves them out" in err


def test_data_check_counts_copies(command, monkeypatch):
    home = Path("home/church")
    home.mkdir(parents=True)
    for seed in range(12):
        smooth(seed).save(home / f"{seed:02}.jpg")
        shutil.copy(home / f"{seed:02}.jpg", home / f"{seed:02}-copy.jpg")
    status, out, _ = command("data", "check", "church", "--data-home", "home", "--store", "store")
    assert status == 1  # it is no church of 126,227 photographs
    assert re.search(r"training photographs that are in the test part, too\s+[1-9]", out)
    assert re.search(r"test photographs that are copies of others there\s+\d", out)


def test_a_file_says_it(pets):
    Path("bench.toml").write_text("""
[run]
methods = ["grey"]
datasets = ["./pets"]
splits = ["split.json"]
store = "store"
figures = ["none"]
metrics = ["absolute-error"]
duplicates = "keep"
near-duplicates = 24
out = "run"
""")
    status, _, err = pets("run", "--config", "bench.toml")
    assert status == 0, err
    assert (of_pets("run")["duplicates"]["choice"], of_pets("run")["duplicates"]["near"]) == (
        "keep",
        24,
    )
    status, _, err = pets("run", "--config", "bench.toml", "--duplicates", "drop", "--out", "other")
    assert of_pets("other")["duplicates"]["choice"] == "drop"
    Path("bench.toml").write_text('[run]\nduplicates = "dorp"\n')
    status, _, err = pets("run", "--config", "bench.toml")
    assert status == 2
    assert "duplicates = 'dorp' is not one of drop, keep, fail" in err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"duplicates": "dorp"}, "--duplicates dorp is not one of drop, keep, fail"),
        ({"near_duplicates": -1}, "is not in 0 to 64"),
        ({"near_duplicates": 65}, "is not in 0 to 64"),
    ],
)
def test_a_choice_that_there_is_not(tmp_path, given, words):
    with pytest.raises(BenchError, match=words):
        bench.run(methods=("grey",), store=tmp_path / "store", out=tmp_path / "run", **given)
    for near in (0, 64):
        assert Request(near_duplicates=near).near_duplicates == near


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 64), st.integers(0, 2**32 - 1))
def test_the_nearest_within_reach(rows, columns, most, seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2, (1, duplicates.BITS), dtype=np.uint8)
    some, others = (
        base ^ (rng.random((n, duplicates.BITS)) < 0.1).astype(np.uint8) for n in (rows, columns)
    )
    apart = (some[:, None] != others[None]).sum(2)
    found = list(duplicates.nearest(np.packbits(some, axis=1), np.packbits(others, axis=1), most))
    assert {(row, count) for row, _, count in found} == {
        (i, int(d.min())) for i, d in enumerate(apart) if d.min() <= most
    }
    assert all(apart[row, column] == count for row, column, count in found)

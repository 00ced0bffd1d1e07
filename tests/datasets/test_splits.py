"""Lists of ids: `bench data split` writes them, `--split` takes them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data import splits
from bench.errors import BenchError


@pytest.fixture
def split(command):
    Path("pets").mkdir()
    for i in range(20):
        Image.fromarray(
            np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        ).save(f"pets/{i}.png")
    status, out, err = command("data", "split", "./pets", "--store", "store", "--out", "ours.json")
    assert status == 0, err
    found = json.loads(Path("ours.json").read_text())
    assert out.endswith(f"digest {found['digest']}: ours.json\n")
    return found


def run(command, out, *more):
    return command(
        "run",
        "-m",
        "grey",
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
        "--limit-test",
        "2",
        "--limit-train",
        "8",
        "--out",
        out,
        *more,
    )


def part(folder, name):
    return json.loads((Path(folder) / "manifest.json").read_text())["datasets"]["pets"][name]["ids"]


def test_what_is_written_is_what_runs_use_and_what_they_take(command, split):
    assert run(command, "plain")[0] == 0
    assert part("plain", "test") == split["test"][:2]
    assert part("plain", "train") == split["train"][:8]
    theirs = {"dataset": "pets", "train": split["test"], "test": split["train"][::-1]}
    Path("theirs.json").write_text(json.dumps(theirs))
    status, _, err = run(command, "other", "--split", "theirs.json")
    assert status == 0, err
    assert part("other", "test") == theirs["test"][:2]
    assert part("other", "train") == theirs["train"][:8]
    manifest = json.loads(Path("other/manifest.json").read_text())
    assert manifest["datasets"]["pets"]["split"] == splits.digest(theirs["train"], theirs["test"])
    status, _, err = run(command, "plain", "--split", "theirs.json")  # another run's folder
    assert status == 2
    status, _, err = command("compare", "plain", "other")
    assert "photograph" in err


def test_the_same_lists_give_the_same_run(command, split):
    assert run(command, "plain")[0] == 0
    assert run(command, "given", "--split", "ours.json")[0] == 0
    assert part("plain", "test") == part("given", "test")
    assert Path("plain/scores.parquet").read_bytes() != b""
    assert Path("plain/summary.csv").read_text() == Path("given/summary.csv").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train": []}, "Expected 'array' of length >= 1 - at '$.train'"),
        ({"test": "x"}, "Expected 'array', got 'str' - at '$.test'"),
        (
            {"dataset": None},
            "missing required field 'dataset'): `bench data split NAME` writes a split",
        ),
        ({"dataset": "lfw"}, "which is not used here"),
        ({"test": ["nobody"], "digest": None}, "first 'nobody'"),
        ({"test": ["nobody"]}, "was changed"),
        ({"schema_version": 9}, "upgrade it"),
    ],
)
def test_bad_lists(command, split, change, said):
    made = {key: value for key, value in (split | change).items() if value is not None}
    Path("bad.json").write_text(json.dumps(made))
    status, out, err = run(command, "bad", "--split", "bad.json")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err
    assert not Path("bad").exists()


def test_an_id_twice_two_lists_of_one_set_and_no_json(command, split):
    Path("twice.json").write_text(
        json.dumps({"dataset": "pets", "train": split["train"], "test": split["train"][:1]})
    )
    with pytest.raises(BenchError, match="is listed twice"):
        splits.read(Path("twice.json"))
    Path("none.json").write_text("train, test")
    with pytest.raises(BenchError, match=r"none\.json can't be read"):
        splits.read(Path("none.json"))
    status, _, err = run(command, "two", "--split", "ours.json", "--split", "ours.json")
    assert status == 2
    assert "are both splits of pets" in err

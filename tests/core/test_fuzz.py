"""No file from outside, whatever it holds, gives a traceback, a hang or a change elsewhere, or is
used where its digest differs."""

import csv
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
FEW, MANY = 8, 2000
PATIENCE = 3600
"""Seconds, for all changes of one kind: a reader that hangs takes longer."""


def _kinds():
    spec = importlib.util.spec_from_file_location("fuzzing", HERE / "fuzzing.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzzing"] = module
    spec.loader.exec_module(module)
    return module.KINDS, module.PICTURES


KINDS, PICTURES = _kinds()


def _bench(folder, *arguments):
    command = [sys.executable, "-P", "-m", "bench.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One valid file of every kind, in a folder beside which a victim lies."""
    above = tmp_path_factory.mktemp("fuzz")
    (above / "victim").mkdir()
    (above / "victim" / "thesis.txt").write_text("years of work")
    folder = above / "files"
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for i in range(12):
        rng = np.random.default_rng(i)
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((40, 40), Image.Resampling.BICUBIC).save(photos / f"{i:03}.png")
    method = "zhang[batch=4,steps=2]"
    for out in ("run", "other"):
        _bench(
            folder,
            "run",
            "-m",
            f"{method},marginal",
            "-d",
            photos,
            "--preset",
            "tiny",
            "--draws",
            3,
            "-k",
            2,
            "--metrics",
            "absolute-error,fair-energy-score,frechet-ab",
            "--figures",
            "none",
            "--threads",
            1,
            "--store",
            "store",
            "--out",
            out,
            "--executor",
            "serial",
        )
    store = ("--store", "store")
    _bench(folder, "data", "split", photos, *store, "--out", "split.json")
    _bench(
        folder,
        "weights",
        "export",
        "run",
        method,
        "--out",
        "export",
        *_if_known(folder, "weights", "export"),
    )
    _bench(
        folder, "baseline", "write", "run", "baseline.json", *_if_known(folder, "baseline", "write")
    )
    (folder / "gate.toml").write_text(
        'inconclusive = "warn"\n[[margin]]\nmetric = "absolute-error"\nrelative = 0.1\n'
    )
    (folder / "bench.toml").write_text(
        '[run]\nmethods = ["grey", { name = "mdn", components = 4 }]\ndatasets = ["photos"]\n'
        'seeds = [1]\ntimeout = "10m"\n[plugins]\npaths = []\n'
    )
    known = {
        "file": "lfw.tgz",
        "from": "https://example.org/lfw.tgz",
        "official": True,
        "sha256": f"sha256:{'0' * 64}",
    }
    (folder / "fetched.json").write_text(
        json.dumps({"datasets": {"lfw": known}, "schema_version": 1})
    )
    _outputs(folder)
    _archives(folder)
    (folder / "pictures").mkdir()
    for form in PICTURES:
        Image.open(photos / "000.png").convert("RGB").save(folder / "pictures" / f"a.{form}")
    return folder


def _if_known(folder, *verb):
    """`--store` for verbs that have it."""
    command = [sys.executable, "-P", "-m", "bench.cli", *verb, "--help"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return ("--store", "store") if "--store" in said.stdout else ()


def _outputs(folder):
    _bench(folder, "export-inputs", "photos", "inputs")
    outputs = folder / "outputs"
    outputs.mkdir()
    shutil.copy(folder / "inputs" / "inputs.json", outputs)
    with (folder / "inputs" / "inputs.csv").open(newline="") as stream:
        names = [(row["id"], row["file"].removesuffix(".png")) for row in csv.DictReader(stream)]
    (outputs / names[0][1]).rename(outputs / "000") if (outputs / names[0][1]).exists() else None
    rows = []
    for place, (name, _) in enumerate(names):
        where = outputs / f"{place:03}"
        where.mkdir(exist_ok=True)
        for n in range(10):
            rng = np.random.default_rng([place, n])
            if n % 2:
                np.save(where / f"{n}.npy", rng.normal(0, 20, (2, 64, 64)).astype(np.float32))
            else:
                Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
                    where / f"{n}.png"
                )
            rows.append((name, n, f"{place:03}/{n}.{'npy' if n % 2 else 'png'}"))
    with (outputs / "outputs.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("id", "n", "file"), *rows])


def _archives(folder):
    members = sorted((folder / "photos").iterdir())[:3]
    for name, mode in (("archive.tgz", "w:gz"), ("archive.tar", "w")):
        with tarfile.open(folder / name, mode) as tar:
            for member in members:
                tar.add(member, f"set/{member.name}")
    with zipfile.ZipFile(folder / "archive.zip", "w") as packed:
        for member in members:
            packed.write(member, f"set/{member.name}")


def _fuzz(files, tmp_path, kinds, count, seed):
    """On a copy, beside a copy of the victim."""
    shutil.copytree(files.parent, tmp_path / "a")
    command = [
        sys.executable,
        "-P",
        HERE / "fuzzing.py",
        tmp_path / "a" / files.name,
        str(count),
        str(seed),
        *kinds,
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    assert json.loads(done.stdout.splitlines()[-1]) == {}


def test_a_file_that_was_changed_is_read_or_refused_in_a_line(files, tmp_path):
    _fuzz(files, tmp_path, list(KINDS), FEW, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_file_that_was_changed_two_thousand_times_is_read_or_refused_in_a_line(
    files, tmp_path, kind
):
    _fuzz(files, tmp_path, [kind], MANY, 1)

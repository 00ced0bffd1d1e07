"""Every file that comes from outside, damaged in thousands of ways: it is read as what it says, or
refused in one line. No traceback, nothing written outside, nothing that takes forever."""

import copy
import hashlib
import io
import json
import os
import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bench.cli import config, main
from bench.data import splits
from bench.engine import request
from bench.errors import BenchError
from bench.exchange import export
from bench.fitted import folders
from bench.gate import baseline, margins, verdict
from bench.output import Output
from bench.plugins import local
from bench.plugins.loader import registry
from bench.results import report, run_folder
from bench.scores.long_table import INDEX

METHOD = "zhang-coherent[zhang=zhang[batch=4,steps=2]]"
STRANGE = [
    None,
    True,
    0,
    -1,
    7,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../x",
    "\x00",
    "\udc80",
    "9" * 5000,
    [],
    {},
    [1],
    {"a": 1},
    [[]],
    [{}],
    ["x", "x"],
]
ROUNDS = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run, what was exported of it, its baseline, a split, inputs for programs elsewhere, and
    settings."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "pets").mkdir()
    for i in range(20):
        blocks = np.random.default_rng(i).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((64, 64)).save(folder / "pets" / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BENCH_STORE", str(folder / "store"))
        main(
            [
                "run",
                "-m",
                f"{METHOD},vae[loss=l2,steps=2,batch=4],grey",
                "-d",
                "./pets",
                "--preset",
                "tiny",
                "--figures",
                "none",
                "--out",
                "run",
                "--metrics",
                "psnr,fair-energy-score,spread-skill",
                "--draws",
                "2",
                "-k",
                "2",
                "--executor",
                "process",
            ]
        )
        main(["weights", "export", "run", METHOD, "--out", "card"])
        main(["baseline", "write", "run", "baseline.json"])
        main(["data", "split", "./pets", "--out", "split.json"])
        main(["export-inputs", "./pets", "inputs", "--draws", "2", "-k", "2"])
    for image in (folder / "inputs").glob("*.png"):
        (folder / "outputs" / image.stem).mkdir(parents=True)
        for n in range(2):
            shutil.copy(image, folder / "outputs" / image.stem / f"{n}.png")
    shutil.copy(folder / "inputs" / "inputs.json", folder / "outputs")
    (folder / "gate.toml").write_text(
        'inconclusive = "warn"\n[[margin]]\nmetric = "fair-*"\nrelative = 0.02\n'
    )
    (folder / "bench.toml").write_text(
        '[run]\nmethods = ["mdn", {name = "cvae", draws = [64, 256]}]\nseeds = [0, 1]\nk = 5\n'
        'timeout = "90s"\nmemory = 2.5\n[plugins]\nautoload = true\n[gate]\nbaseline = "b.json"\n'
    )
    (folder / "plugin").mkdir()
    (folder / "plugin" / "mine.py").write_text("")
    (folder / "plugin" / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\n[project.entry-points.huebench]\nmine = "mine"\n'
    )
    (folder / "comparison").mkdir()
    (folder / "comparison" / "comparison.json").write_text(
        '{"runs": ["../run", "../run"], "schema_version": 1}'
    )
    return folder


def read_run(folder):
    """All that is read of a run without its store."""
    found = run_folder.read(folder / "run")
    for column in found.table.columns:
        if column.measured:
            found.table.values(column)
    len(found.scores)
    report.write(
        [found],
        Output(folder / "out", frozenset({"md", "html", "csv", "latex"}), frozenset()),
        registry(),
        Quiet(),
    )


class Quiet:
    """A progress that shows nothing."""

    def task(self, *_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def advance(self, *_):
        return None


def read_card(folder):
    with folders.opened(folder / "card"):
        pass


def gated(folder):
    verdict.judge(
        run_folder.read(folder / "run"),
        baseline.read(folder / "baseline.json"),
        margins.Settings(),
        registry(),
    )


def export_run(folder):
    shutil.rmtree(folder / "exported", ignore_errors=True)
    folders.export(folder / "run", METHOD, folder / "exported", store=folder / "store")


def compare(folder):
    folder = folder.resolve()
    run = type("Run", (), {"folder": folder / "run"})()
    report._open_folder(type("Comparison", (), {"runs": (run, run)})(), folder / "comparison")


READERS = {
    "run/manifest.json": read_run,
    "run/scores.parquet": read_run,
    "run/set_scores.parquet": read_run,
    "run/summary.csv": export_run,
    "run/request.json": lambda folder: (
        request.read(folder / "run"),
        request.checked(folder / "run"),
    ),
    "card/card.json": read_card,
    "card/colours.npy": read_card,
    "baseline.json": gated,
    "split.json": lambda folder: splits.read(folder / "split.json"),
    "inputs/inputs.json": lambda folder: (
        export.check_outputs(folder / "inputs", folder / "outputs", "modes").problems
    ),
    "inputs/inputs.csv": lambda folder: (
        export.check_outputs(folder / "inputs", folder / "outputs", "modes").problems
    ),
    "outputs/inputs.json": lambda folder: (
        export.check_outputs(folder / "inputs", folder / "outputs", "modes").problems
    ),
    "comparison/comparison.json": compare,
    "gate.toml": lambda folder: margins.read(folder / "gate.toml"),
    "bench.toml": lambda folder: config.read(folder / "bench.toml"),
    "plugin/pyproject.toml": lambda folder: local.find(folder / "plugin"),
}
"""What reads a file, by its name. A card's other files are in
`test_what_an_exported_method_learned`."""


@pytest.fixture
def place(base, tmp_path, monkeypatch):
    """A copy that may be damaged; the store is shared, and nothing beside it may change."""
    for name in ("run", "card", "inputs", "outputs", "plugin", "comparison"):
        shutil.copytree(base / name, tmp_path / name)
    for path in (path for path in base.iterdir() if path.is_file()):
        shutil.copy(path, tmp_path)
    (tmp_path / "store").symlink_to(base / "store")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", str(base / "store"))
    return tmp_path


def outcome(read, folder):
    """Nothing, or the one line that refuses."""
    try:
        with warnings.catch_warnings(action="ignore"):
            read(folder)
        said = ""
    except BenchError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1
    assert len(said) < 1500
    return said


def bent(value, rng):
    """JSON with one thing in it that is another, gone, or new; all of it may be inside of more."""
    value = copy.deepcopy(value)
    nodes = [(value, key) for key in (value if isinstance(value, dict) else range(len(value)))]
    for container, key in nodes:
        inner = container[key]
        if isinstance(inner, dict | list):
            nodes += [
                (inner, k)
                for k in (list(inner) if isinstance(inner, dict) else range(min(len(inner), 3)))
            ]
    if not nodes:
        return rng.choice(STRANGE)
    container, key = rng.choice(nodes)
    what = rng.random()
    if what < 0.15 and isinstance(container, dict):
        del container[key]
    elif what < 0.25 and isinstance(container, dict):
        container[rng.choice(["", "x", "../x", "\udc80"])] = container[key]
    elif what < 0.3:
        for _ in range(800):
            container[key] = [container[key]]
    else:
        container[key] = rng.choice(STRANGE)
    return value


def broken(data, rng):
    """Bytes that are cut, flipped, doubled or replaced."""
    data, at = bytearray(data), rng.randrange(len(data))
    what = rng.randrange(6)
    if what == 0:
        return bytes(data[:at])
    if what == 1:
        data[at] ^= 1 << rng.randrange(8)
    elif what == 2:
        data[at:at] = data[at : at + rng.randrange(64)]
    elif what == 3:
        data[at : at + 8] = rng.randbytes(8)
    elif what == 4:
        del data[at : at + rng.randrange(64)]
    else:
        return b"\xff\xfe" + bytes(data) if rng.random() < 0.5 else b"[" * 100_000 + bytes(data)
    return bytes(data)


def damage(path, rng):
    data = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.8:
        path.write_text(json.dumps(bent(json.loads(data), rng)))
    else:
        path.write_bytes(broken(data, rng))


def attacked(name, place, rounds):
    """Damage a file again and again; how often it was refused."""
    read, whole = READERS[name], (place / name).read_bytes()
    assert outcome(read, place) == ""
    refused = 0
    for number in range(rounds):
        damage(place / name, random.Random(f"{name} {number}"))
        refused += outcome(read, place) != ""
        (place / name).write_bytes(whole)
    return refused


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_a_line(base, place, name):
    before = tree(base)
    assert attacked(name, place, ROUNDS) > ROUNDS // 4
    assert tree(base) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_two_thousand_damaged_files(base, place, name):
    before = tree(base)
    assert attacked(name, place, 2000) > 500
    assert tree(base) == before


def tree(folder):
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[1]",
        b'"x"',
        b"{}",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"schema_version": "2"}',
        b'{"schema_version": true}',
        b"PAR1PAR1",
        b"a,b\n1\n",
    ],
)
def test_something_else_is_refused_in_a_line(place, name, content):
    (place / name).write_bytes(content)
    said = outcome(READERS[name], place)
    if Path(name).suffix != ".toml" or content not in (b"",):
        assert said


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling", "unreadable"])
def test_what_is_no_file_is_refused_in_a_line(place, name, kind):
    (place / name).unlink()
    if kind == "folder":
        (place / name).mkdir()
    elif kind == "pipe":
        os.mkfifo(place / name)
    elif kind == "dangling":
        (place / name).symlink_to("nowhere")
    else:
        (place / name).symlink_to("/proc/self/mem")
    assert outcome(READERS[name], place) or name in (
        "run/summary.csv",
        "outputs/inputs.json",
        "comparison/comparison.json",
        "plugin/pyproject.toml",
        "run/set_scores.parquet",
    )


@pytest.mark.parametrize(
    "name", [name for name in READERS if name.endswith((".json", ".toml", ".csv"))]
)
def test_what_windows_writes_is_read(place, name):
    text = (place / name).read_text()
    (place / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert outcome(READERS[name], place) == ""


# The table of scores: what it says of itself


def with_index(path, change):
    table, index = (
        pq.read_table(path),
        json.loads(pq.ParquetFile(path).metadata.metadata[INDEX.encode()]),
    )
    text = change(index)
    text = json.dumps(index) if text is None else text
    pq.write_table(
        table.replace_schema_metadata({**(table.schema.metadata or {}), INDEX: text}), path
    )


def line(number, value):
    """A change of a field, counted from the end or the beginning, of every line."""

    def change(index):
        for each in index["columns"]:
            each[number] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda index: "[1]",
        lambda index: "{",
        lambda index: "null",
        lambda index: "[" * 100_000,
        lambda index: index.pop("words") and None,
        lambda index: index["words"].clear(),
        lambda index: index["columns"].append([1]),
        lambda index: index["columns"].append("x"),
        line(-2, 10**9),
        line(-2, -1),
        line(-2, 1.5),
        line(-1, "yes"),
        line(-6, 10**9),
        line(-6, 0),
        line(-6, -1),
        line(-6, 1),
        line(-5, 10**9),
        line(2, 10**9),
        line(2, -1),
        line(2, "x"),
        line(6, "x"),
        line(6, 10**30),
        line(-4, "x"),
        line(-4, 1e300),
        line(3, None),
        line(5, 0),
    ],
)
def test_a_table_that_lies_about_its_columns(place, change):
    with_index(place / "run" / "scores.parquet", change)
    outcome(read_run, place)
    outcome(gated, place)


@pytest.mark.parametrize("number", [-2, -6])
def test_offsets_beyond_the_table_are_refused(place, number):
    with_index(place / "run" / "scores.parquet", line(number, 10**9))
    assert "scores.parquet is damaged: it has no such rows" in outcome(read_run, place)


def rewritten(path, change):
    frame = pq.read_table(path).to_pandas()
    frame = change(frame)
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("name", ["scores", "set_scores"])
@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop(columns="metric"),
        lambda frame: frame.drop(columns="value"),
        lambda frame: frame.assign(value="x"),
        lambda frame: frame.assign(metric=3),
        lambda frame: frame.assign(seed="x"),
        lambda frame: frame.assign(k=1.5),
        lambda frame: frame.assign(k=float("inf")),
        lambda frame: frame.assign(value=float("inf")),
        lambda frame: frame.iloc[:0],
        lambda frame: frame.assign(method=[["a"]] * len(frame)),
        lambda frame: frame.assign(dataset="nowhere"),
        lambda frame: frame.assign(ask=None),
        lambda frame: frame.assign(seed=None),
        lambda frame: frame.assign(value=None),
        lambda frame: frame.assign(parameters="{"),
        lambda frame: frame.assign(parameters="[1]"),
        lambda frame: frame.assign(role="x"),
        lambda frame: frame.assign(direction="x"),
        lambda frame: frame.assign(status="x"),
        lambda frame: frame.assign(kind="x"),
        lambda frame: frame.assign(image="a"),
        lambda frame: frame.assign(metric_version="1[weights=/etc/passwd]"),
        lambda frame: frame.assign(method="../../x\x1b[31m"),
        lambda frame: frame.assign(variant="x" * 9999),
    ],
)
def test_a_table_of_other_columns_or_words(place, name, change):
    rewritten(place / "run" / f"{name}.parquet", change)
    outcome(read_run, place)
    outcome(gated, place)
    outcome(
        lambda folder: baseline.make(
            run_folder.read(folder / "run"), folder / "new.json", (), registry(), force=True
        ),
        place,
    )


# Exported methods: what a stranger can put into the files


def signed(folder):
    """A card whose digests are those of its files, as a stranger can make them."""
    card = json.loads((folder / "card.json").read_text())
    for path in (p for p in folder.rglob("*") if p.is_file() and p.name != "card.json"):
        data = path.read_bytes()
        card["files"][path.relative_to(folder).as_posix()] = {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    (folder / "card.json").write_text(json.dumps(card))


def learned(place):
    return sorted(p for p in (place / "card").rglob("*") if p.is_file() and p.name != "card.json")


@pytest.mark.parametrize("rounds", [25, pytest.param(2000, marks=pytest.mark.slow)])
def test_what_an_exported_method_learned(place, rounds):
    refused = 0
    for number in range(rounds):
        rng = random.Random(number)
        path = rng.choice(learned(place))
        whole = path.read_bytes()
        damage(path, rng)
        signed(place / "card")
        refused += outcome(read_card, place) != ""
        path.write_bytes(whole)
    assert refused > rounds // 4


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3),
        np.zeros((2, 64), np.float32),
        np.full((2, 64), np.nan),
        np.array([{}], object),
        np.zeros((2, 64)),
        np.array(1.0),
    ],
)
def test_colours_that_are_none(place, array):
    np.save(place / "card" / "colours.npy", array, allow_pickle=True)
    signed(place / "card")
    assert "colours.npy" in outcome(read_card, place)


def test_an_array_that_lies_about_its_size_takes_no_memory(place):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 64), }"
    header = header.ljust(117) + b"\n"
    (place / "card" / "colours.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 1024
    )
    signed(place / "card")
    assert "colours.npy is damaged" in outcome(read_card, place)

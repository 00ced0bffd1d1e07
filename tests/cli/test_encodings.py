"""Text of other encodings: terminals and pipes, names that are no UTF-8, and files that Windows'
editors saved."""

import codecs
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pandas as pd
import pytest

from bench.datasets.sources import Lmdb

ODD = "lat\udce9"
"""A name with the byte E9, `é` in ISO 8859-1, which is no UTF-8."""
QUICK = ("--metrics", "absolute-error", "--figures", "none")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")


@pytest.fixture
def odd(tmp_path, photographs):
    shutil.copytree(photographs, tmp_path / ODD)
    return tmp_path / ODD


def shell(folder, *arguments, **environment):
    command = [sys.executable, "-P", "-m", "bench.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, env=os.environ | environment, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [("list", "metrics"), ("show", "fair-energy-score"), ("check", "--rules"), ("run", "--help")],
)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_a_stream_of_another_encoding_loses_no_line(tmp_path, encoding, arguments):
    plain = shell(tmp_path, *arguments, PYTHONIOENCODING="utf-8")
    other = shell(tmp_path, *arguments, PYTHONIOENCODING=encoding)
    assert (other.returncode, other.stderr) == (plain.returncode, plain.stderr) == (0, b"")
    assert other.stdout == plain.stdout.decode().encode(encoding, "backslashreplace")


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """A place of locales with de_DE in ISO 8859-1."""
    place = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(place / "de_DE")]
    if (
        not shutil.which("localedef")
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("no localedef, or no sources of locales, on this machine")
    return {"LOCPATH": str(place), "LC_ALL": "de_DE", "LANG": "de_DE"}


def test_a_run_in_a_locale_of_iso_8859_1(tmp_path, photographs, store, german):
    shutil.copytree(photographs, tmp_path / "日本")
    done = shell(
        tmp_path,
        "run",
        "-m",
        "grey",
        "-d",
        "日本",
        "--out",
        "runs/日本",
        *QUICK,
        BENCH_STORE=str(store),
        **german,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "日本" / "scores.parquet").is_file()
    assert "↓" in (tmp_path / "runs" / "日本" / "report.md").read_text("utf-8")
    assert "↓" in (tmp_path / "runs" / "日本" / "report" / "index.html").read_text("utf-8")


def test_a_locale_without_letters_gives_the_same_names(tmp_path, photographs, store):
    shutil.copytree(photographs, tmp_path / "日本")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "BENCH_STORE": str(store)}
    done = shell(tmp_path, "run", "-m", "grey", "-d", "日本", "--out", "run", *QUICK, **bare)
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c" in done.stdout
    assert list(json.loads((tmp_path / "run" / "manifest.json").read_bytes())["datasets"]) == [
        "日本"
    ]


def test_a_data_set_and_a_run_folder_whose_names_are_no_utf_8(bench, odd):
    status, out, err = bench(
        "run", "-m", "grey,marginal", "-d", f"./{ODD}", "--out", f"runs/{ODD}", *QUICK
    )
    assert status == 0, err
    assert "lat\\xe9" in out
    run = f"runs/{ODD}"
    manifest = json.loads(Path(run, "manifest.json").read_bytes())
    assert list(manifest["datasets"]) == ["lat\\xe9"]
    with open(f"{run}/scores.parquet", "rb") as stream:
        assert set(pd.read_parquet(stream)["run"]) == {"lat\\xe9"}
    for verb in (
        ["score", run],
        ["report", run, "--figures", "none", "--out", f"r{ODD}"],
        ["compare", run, run, "--out", f"c{ODD}"],
        ["baseline", "write", run, f"{ODD}.json"],
        ["gate", run, "--baseline", f"{ODD}.json", "--markdown", f"{ODD}.md"],
        ["data", "split", f"./{ODD}", "--out", f"s{ODD}.json"],
        [
            "run",
            "-m",
            "grey",
            "-d",
            f"./{ODD}",
            "--split",
            f"s{ODD}.json",
            "--out",
            "split",
            *QUICK,
        ],
        ["export-inputs", f"./{ODD}", f"in{ODD}"],
    ):
        status, _, err = bench(*verb)
        assert status == 0, (verb, err)


def test_a_run_in_processes_takes_names_that_are_no_utf_8(tmp_path, odd, store):
    done = shell(
        tmp_path,
        "run",
        "-m",
        "grey",
        "-d",
        f"./{ODD}",
        "--out",
        f"run{ODD}",
        *QUICK,
        BENCH_EXECUTOR="process",
        BENCH_STORE=str(store),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments", [("store", "ls", "--store"), ("run", "-m", "grey", "-d", ".", "--store")]
)
def test_a_store_where_weights_cannot_be_read_is_refused(bench, arguments):
    status, _, err = bench(*arguments, ODD)
    assert status == 2
    assert (
        err == "bench: lat\\xe9 has a path that is no UTF-8, where no weights can be read: choose "
        "another folder\n"
    )
    assert not os.path.exists(ODD)


def test_an_lmdb_below_such_a_name_is_read(tmp_path):
    place = tmp_path / ODD
    place.mkdir()
    with lmdb.open(os.fsencode(place)) as database, database.begin(write=True) as transaction:
        transaction.put(b"key", b"image")
    assert [(name, read()) for name, read in Lmdb(place).members()] == [("key", b"image")]


TOML = """[run]
methods = ["grey"]
datasets = ["photographs"]
figures = "none"
metrics = ["absolute-error"]
"""


@pytest.fixture
def place(tmp_path, photographs):
    shutil.copytree(photographs, tmp_path / "photographs")
    return tmp_path


def windows(path, text):
    """As Windows' editors save it."""
    path.write_bytes(codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode())


def test_toml_json_and_python_with_a_mark_and_windows_line_ends_are_read(bench, place):
    windows(place / "bench.toml", TOML)
    windows(
        place / "mine.py",
        "from bench.hookspecs import hookimpl\n\n@hookimpl\ndef bench_register_methods():\n    "
        "return []\n",
    )
    status, _, err = bench("run", "--config", "bench.toml", "--plugin", "mine.py", "--out", "run")
    assert status == 0, err
    assert bench("data", "split", "./photographs", "--out", "split.json")[0] == 0
    windows(place / "split.json", (place / "split.json").read_text())
    status, _, err = bench(
        "run", "--config", "bench.toml", "--split", "split.json", "--out", "other"
    )
    assert status == 0, err
    assert bench("baseline", "write", "run", "b.json")[0] == 0
    windows(place / "b.json", (place / "b.json").read_text())
    windows(
        place / "gate.toml",
        'inconclusive = "warn"\n[[margin]]\nmetric = "absolute-error"\nrelative = 0.1\n',
    )
    status, _, err = bench("gate", "run", "--baseline", "b.json", "--margins", "gate.toml")
    assert status == 0, err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            TOML.encode("utf-16"),
            "bench: bench.toml can't be read: it is UTF-16: save it as UTF-8\n",
        ),
        (
            TOML.replace("grey", "gr\xe9y").encode("latin-1"),
            "bench: bench.toml can't be read: byte 20 is no UTF-8: save it as UTF-8\n",
        ),
    ],
)
def test_toml_of_another_encoding_is_one_line(bench, place, data, says):
    (place / "bench.toml").write_bytes(data)
    assert bench("run", "--config", "bench.toml") == (2, "", says)

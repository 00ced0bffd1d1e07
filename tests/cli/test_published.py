"""What a run's author may publish: run folders, reports, comparisons, gates and exported methods
name no folder of the author's machine from its root, and nobody's name."""

import json
import os
import shutil
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

MARK = "janedoe"
PLUGIN = """
from bench.contracts import Method
from bench.hookspecs import hookimpl
from bench.specs import MethodSpec

@hookimpl
def bench_register_methods():
    yield MethodSpec(name="broken", summary="it fails", factory=":Broken")

class Broken(Method):
    def fit(self, train, context):
        context.notes["where"] = __file__
        open({path!r})

    def save(self, folder):
        pass

    def load(self, folder, context):
        pass

    def predict(self, grey, seeds):
        raise NotImplementedError
"""


def run(home, *arguments, cwd=None):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BENCH_")}
    environment |= {
        "HOME": str(home),
        "USER": MARK,
        "LOGNAME": MARK,
        "XDG_CACHE_HOME": str(home / ".cache"),
        "OMP_NUM_THREADS": "1",
        "BENCH_PRECISION": "float32",
        "BENCH_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", "bench.cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd or home, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The home folder of an author, who gives every path in full; and one run that was made
    elsewhere."""
    home = tmp_path_factory.mktemp("homes") / MARK
    pets, work, outputs = home / "my data" / "pets", home / "work", home / "outputs"
    for folder in (pets, work, outputs, home / "data", home / "none"):
        folder.mkdir(parents=True)
    for i in range(20):
        blocks = np.random.default_rng(i).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((64, 64)).save(pets / f"{i}.png")
    (pets / "text.png").write_text("no image")
    (home / "broken.py").write_text(PLUGIN.format(path=str(home / "secret" / "weights.bin")))
    assert run(home, "data", "split", pets, "--out", home / "split.json").returncode == 0
    assert (
        run(home, "export-inputs", pets, home / "inputs", "-k", "1", "--draws", "2").returncode == 0
    )
    for image in (home / "inputs").glob("*.png"):
        (outputs / image.stem).mkdir()
        for n in range(2):
            shutil.copy(image, outputs / image.stem / f"{n}.png")
    methods = f"zhang[steps=2,batch=4],grey,broken,precomputed[folder={outputs},kind=iid],precomputed[folder={home}/none,kind=iid]"
    given = [
        "run",
        "-m",
        methods,
        "-d",
        pets,
        "--preset",
        "tiny",
        "--plugin",
        home / "broken.py",
        "--data-home",
        home / "data",
        "--split",
        home / "split.json",
        "--metrics",
        "psnr,fair-energy-score",
        "--draws",
        "2",
        "-k",
        "1",
    ]
    for out, store, where in (("run", home / "store", home), ("other", f"file://{home}/far", work)):
        done = run(home, *given, "--store", store, "--out", home / "runs" / out, cwd=where)
        assert done.returncode == 6, done.stderr
    return home


def words(folder):
    """All that is written below a folder, what is packed among it."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        yield path, data
        yield path, path.name.encode()
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            table = pq.read_table(path)
            yield path, f"{table.to_pylist()} {table.schema.metadata}".encode()
        if path.suffix == ".png":
            for start in (i for i in range(len(data)) if data[i : i + 4] in (b"zTXt", b"iTXt")):
                yield (
                    path,
                    zlib.decompressobj().decompress(data[start + 6 :])
                    if b"zTXt" in data[start : start + 4]
                    else b"",
                )


def names_nobody(folder, home):
    root = home.parent.parent
    assert folder.is_dir()
    found = {
        (path.relative_to(folder).as_posix(), word)
        for path, data in words(folder)
        for word in (MARK, str(root))
        if word.encode() in data
    }
    assert found == set()


@pytest.mark.parametrize("name", ["run", "other"])
def test_a_run_folder_names_nobody(made, name):
    folder = made / "runs" / name
    names_nobody(folder, made)
    for file in (
        "manifest.json",
        "request.json",
        "settings.json",
        "failures.txt",
        "report.md",
        "report/index.html",
    ):
        assert (folder / file).is_file()
    manifest = json.loads((folder / "manifest.json").read_text())
    labels = {cell["method"] for cell in manifest["cells"]}
    assert {
        "precomputed[folder=…/outputs,kind=iid]",
        "precomputed[folder=…/none,kind=iid]",
    } < labels
    assert "bench/engine/work.py" in (folder / "failures.txt").read_text()
    assert "weights.bin" in (folder / "failures.txt").read_text()
    assert json.loads((folder / "request.json").read_text())["checked"] == []


def test_two_folders_of_one_run_have_the_same_labels_from_anywhere(made):
    texts = [(made / "runs" / name / "manifest.json").read_text() for name in ("run", "other")]
    first, second = ([cell["method"] for cell in json.loads(text)["cells"]] for text in texts)
    assert first == second


def test_reports_comparisons_gates_and_exports_name_nobody(made):
    runs, out = made / "runs", made / "published"
    assert (
        run(
            made, "report", runs / "run", "--store", made / "store", "--out", out / "report"
        ).returncode
        == 0
    )
    assert (
        run(made, "compare", runs / "run", runs / "other", "--out", out / "compare").returncode == 0
    )
    assert (
        run(made, "baseline", "write", runs / "run", out / "baseline.json", "--force").returncode
        == 0
    )
    done = run(
        made,
        "gate",
        runs / "other",
        "--baseline",
        out / "baseline.json",
        "--markdown",
        out / "gate.md",
        "--json",
        out / "gate.json",
        "--junit",
        out / "gate.xml",
        "--github",
    )
    assert done.returncode in (0, 1), done.stderr
    (out / "log.txt").write_text(done.stdout)
    done = run(
        made,
        "weights",
        "export",
        runs / "run",
        "zhang[batch=4,steps=2]",
        "--store",
        made / "store",
        "--out",
        out / "card",
    )
    assert done.returncode == 0, done.stderr
    names_nobody(out, made)


def test_the_author_goes_on_and_reads_without_being_asked(made):
    own = made / ".cache" / "huebench" / "store"
    given = [
        "run",
        "-m",
        "grey",
        "-d",
        made / "my data" / "pets",
        "--preset",
        "tiny",
        "--metrics",
        "psnr",
        "--out",
        made / "runs" / "own",
    ]
    for _ in range(2):
        done = run(made, *given, cwd=made / "work")
        assert done.returncode == 0, done.stderr
    assert own.is_dir()
    assert (
        json.loads((made / "runs" / "own" / "manifest.json").read_text())["store"]
        == "~/.cache/huebench/store"
    )
    shutil.move(made / "runs" / "own", made / "work" / "moved")
    assert run(made, "report", made / "work" / "moved").returncode == 0
